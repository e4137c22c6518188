"""The fixtures that every service's tests share; pytest finds them by the `stoa` entry point.

Servers start when the first test asks for them. A service's `conftest.py` makes its own `database_url` and `broker`
out of `new_schema` and `new_broker`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.testing import servers as places
from common.testing.badges import Badges
from common.testing.broker import Broker, fresh_vhost
from common.testing.migrations import migrate
from common.testing.servers import Servers
from common.testing.signing import Signer
from common.testing.sisters import FakeSister, fake_sister


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one part share what they have started, so of processes that run side by side each takes whole parts.

    A part is a service, or the tests of another folder: two whole stacks at once would only hinder each other. Of tests
    with the same id only one would be dealt out, and nobody would hear of the others.
    """
    twice = [node for node, times in Counter(item.nodeid for item in items).items() if times > 1]
    if twice:
        raise pytest.UsageError(f"these tests cannot be told from others by their ids: {', '.join(twice)}")
    for item in items:
        parts = item.path.relative_to(item.config.rootpath).parts
        item.add_marker(pytest.mark.xdist_group("/".join(parts[:2])))


def pytest_report_header() -> str:
    """Which servers this run will talk to."""
    return f"servers: {'in containers' if places.docker_answers() else 'native'}"


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A real database, broker and Redis, shared by the whole run."""
    with places.started() as running:
        yield running


@pytest.fixture(scope="session")
def new_schema(servers: Servers) -> Callable[[Path], str]:
    """Makes a schema for the service in this folder, migrated to its newest revision; returns its URL."""

    def make(folder: Path) -> str:
        url = places.fresh_schema(servers, folder.name)
        migrate(folder, url)
        return url

    return make


@pytest.fixture(scope="session")
def empty_schema(servers: Servers) -> Callable[[str], str]:
    """Makes a schema without tables; returns its URL."""
    return lambda name: places.fresh_schema(servers, name)


@pytest.fixture(scope="session")
def new_broker(servers: Servers) -> Callable[[], Broker]:
    """Makes an empty virtual host."""
    return lambda: fresh_vhost(servers.broker, servers.management)


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """The Redis of this run."""
    return servers.redis


@pytest.fixture(scope="session")
def signer() -> Signer:
    """Signs users' tokens in the place of auth."""
    return Signer()


@pytest.fixture(scope="session")
def badges() -> Badges:
    """Keys by which services know each other."""
    return Badges()


@pytest.fixture
def auth_sister(signer: Signer) -> Iterator[FakeSister]:
    """A fake auth that publishes the signer's key."""
    with fake_sister() as auth:
        signer.publish_on(auth)
        yield auth


@pytest.fixture
def sister() -> Iterator[FakeSister]:
    """Any other service, played by the test."""
    with fake_sister() as played:
        yield played
