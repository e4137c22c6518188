"""One run of all six services for the tests of this folder, with real servers; the sisters that they ask are played."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from redis import Redis

from common.revocation import EPOCH
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.signing import Signer
from common.testing.sisters import FakeSister, fake_sister

from .house import Platform, play_cart, play_catalog
from .services import BUILD, SERVICES, serving

ROOT = Path(__file__).parents[3]
A_FEW = 6
"""Examples an operation and role that every run of the tests sends; `make fuzz` asks for more."""
WORKERS = ("catalog.tasks.enqueue", "notifier.tasks.enqueue", "notifier.tasks.enqueue_visits")
"""How workers are told. Nobody is told here: that no worker comes is not asked about, and the tasks' applications read
the environment once and would keep what they find here for the tests that follow in this process."""
CELLS = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How hard to try."""
    parser.addoption("--max-examples", type=int, default=A_FEW, help="examples an operation that fuzzing sends")


def pytest_configure(config: pytest.Config) -> None:
    """The same examples in each run, or those of the seed that was given."""
    seeded = config.getoption("--hypothesis-seed") is not None
    settings.register_profile(
        "surface",
        max_examples=config.getoption("--max-examples"),
        derandomize=not seeded,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def pytest_report_header(config: pytest.Config) -> str:
    """How to send the same again."""
    seed = config.getoption("--hypothesis-seed")
    drawn = f"drawn by the seed {seed}" if seed is not None else "the same in each run"
    return f"surface: {config.getoption('--max-examples')} examples an operation, {drawn}"


@pytest.fixture(scope="package")
def sisters(signer: Signer) -> Iterator[Mapping[str, FakeSister]]:
    """Auth, catalog, cart and orders as the services see them from inside."""
    with fake_sister() as auth, fake_sister() as catalog, fake_sister() as cart, fake_sister() as orders:
        signer.publish_on(auth)
        play_catalog(catalog)
        play_cart(cart)
        yield {"auth": auth, "catalog": catalog, "cart": cart, "orders": orders}


@pytest.fixture(scope="package")
def apps(
    new_schema: Callable[[Path], str],
    new_broker: Callable[[], Broker],
    redis_url: str,
    badges: Badges,
    sisters: Mapping[str, FakeSister],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, FastAPI]:
    """The applications; auth and the others look into different Redis databases, as their users are different ones."""
    common = {"env": "test", "log_level": "ERROR", "sister_keys": badges.public(*SERVICES)}
    common |= {f"{name}_url": sister.url for name, sister in sisters.items()}
    own = {
        name: {
            "database_url": new_schema(ROOT / "services" / name),
            "broker_url": new_broker().url,
            "redis_url": redis_url.removesuffix("/0") + ("/4" if name == "auth" else "/3"),
            "service_key": badges.key(name),
        }
        for name in SERVICES
    }
    own["catalog"]["upload_dir"] = str(tmp_path_factory.mktemp("uploads"))
    with pytest.MonkeyPatch.context() as patch:
        for told in WORKERS:
            patch.setattr(told, lambda *_: True)
        return {name: BUILD[name](**common, **own[name]) for name in SERVICES}


@pytest.fixture(scope="package")
def platform(apps: dict[str, FastAPI], redis_url: str, signer: Signer, badges: Badges) -> Iterator[Platform]:
    """All six, running."""
    with Redis.from_url(redis_url.removesuffix("/0") + "/3") as redis:
        redis.set(EPOCH, "tests")
        with serving(apps) as urls, Platform.opened(apps, urls, redis, signer, badges) as platform:
            yield platform


@pytest.fixture(scope="package")
def cells(pytestconfig: pytest.Config) -> Counter[str]:
    """How many cells of the matrix were asked for; the end of the run says so."""
    return pytestconfig.stash.setdefault(CELLS, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The size of the matrix."""
    counted = config.stash.get(CELLS, Counter())
    if counted:
        parts = ", ".join(f"{count} {name}" for name, count in counted.items())
        terminalreporter.write_line(f"role matrix: {counted.total()} cells ({parts})")
