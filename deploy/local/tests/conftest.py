"""What many tests here stand on."""

from collections.abc import Iterator

import pytest

from .fronting import Front, fronting


@pytest.fixture(autouse=True)
def _no_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands mean processes, whether or not Docker answers here."""
    monkeypatch.setenv("STOA_DOCKER", "off")


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The gateway without rate limits."""
    with fronting(tmp_path_factory.mktemp("front"), STOA_RATE_LIMITS="off") as front:
        yield front


@pytest.fixture(scope="session")
def default_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The gateway as it is when no variable is set."""
    with fronting(tmp_path_factory.mktemp("default")) as front:
        yield front
