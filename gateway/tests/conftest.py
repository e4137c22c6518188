"""One stack for all tests of this folder, and the people who visit it."""

from collections.abc import Callable, Generator, Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from .browsing import Reader, chromium
from .people import Person, Visitor, all_at_once, register, sign_in
from .places import own_stack
from .site import Site
from .wreckage import Wreckage, wreck

CROWD = 20
LAST = "test_releases.py"
"""It takes a stack of its own, and longer than those who are signed in stay so."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The others go on beside each other's people."""
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure tells what the services complained of: their logs are gone with the stack."""
    report = yield
    for site in item.funcargs.values():
        if report.failed and isinstance(site, Site):
            report.sections.append(("what the services complained of", site.complaints()))
    return report


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The whole platform."""
    with own_stack() as site:
        yield site


@pytest.fixture(scope="session")
def http(site: Site) -> Iterator[httpx.Client]:
    """Connections to the gateway, for all visitors together.

    They rest longer than any test: httpcore's pool may close a connection that has just rested long enough under the
    request of a thread that has just got it (encode/httpcore 1110).
    """
    limits = httpx.Limits(max_connections=200, keepalive_expiry=150)
    with httpx.Client(base_url=site.url, timeout=60, limits=limits, trust_env=False) as http:
        yield http


@pytest.fixture(scope="session")
def stranger(http: httpx.Client) -> Visitor:
    """Nobody in particular."""
    return Visitor(http)


@pytest.fixture(scope="session")
def admin(site: Site, http: httpx.Client) -> Person:
    """The administrator whom the start has made."""
    return sign_in(http, site.settings.admin_username, site.settings.admin_password)


@pytest.fixture
def newcomer(http: httpx.Client) -> Callable[[], Person]:
    """Makes people of whom nobody knows anything yet."""
    return lambda: register(http)


@pytest.fixture(scope="session")
def ada(http: httpx.Client) -> Person:
    """A customer. She never signs out."""
    return register(http, "ada")


@pytest.fixture(scope="session")
def ben(http: httpx.Client) -> Person:
    """Another customer."""
    return register(http, "ben")


@pytest.fixture(scope="session")
def crowd(http: httpx.Client) -> list[Person]:
    """Many customers."""
    return all_at_once(lambda _: register(http, "crowd"), range(CROWD), 4)


@pytest.fixture(scope="session")
def wreckage(site: Site, http: httpx.Client, admin: Person) -> Wreckage:
    """What was under way when its process was killed; leases run a minute, intents two, and others test meanwhile."""
    return wreck(site, http, admin)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a file, and for none beyond it: see `chromium`."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def reader(browser: Browser, site: Site) -> Iterator[Reader]:
    """Somebody who opens pages."""
    reader = Reader(browser, site)
    yield reader
    reader.close()
