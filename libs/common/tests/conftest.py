"""The shared code's bench: a schema with the shared tables, a broker with two listeners, work in the background."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from uuid import UUID

import pytest
from celery import Celery
from sqlalchemy import Column, Engine, Integer, String, Table, create_engine, delete, select, text

from common.broker import dead_letter_name
from common.celery import new_celery
from common.database import TABLE_OPTIONS, Sessions, new_engine, new_metadata, new_sessions
from common.events.auth import UserRegistered
from common.events.hearers import BRIEF, HEARERS
from common.idempotency import add_idempotency_keys
from common.ids import new_id
from common.outbox import add_inbox, add_outbox
from common.running import Background, cancelled, keep_running
from common.settings import Settings
from common.testing.broker import Broker
from common.testing.proxy import Proxy, proxied

METADATA = new_metadata()
add_outbox(METADATA)
add_inbox(METADATA)
add_idempotency_keys(METADATA)
EFFECTS = Table(
    "effects",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("what", String(100), nullable=False),
    **TABLE_OPTIONS,
)
STOCK = Table("stock", METADATA, Column("id", Integer, primary_key=True), Column("count", Integer), **TABLE_OPTIONS)


@pytest.fixture(scope="module", autouse=True)
def real_hearers() -> Iterator[dict[str, tuple[str, ...]]]:
    """Two services that listen, so that a virtual host is laid out quickly; the real ones come back at the end."""
    toys = {"toys": ("user.registered", "product.archived"), "shelf": ("user.registered",)}
    real = {name: (*types, *BRIEF.get(name, ())) for name, types in HEARERS.items()}
    kept = [(known, dict(known)) for known in (HEARERS, BRIEF)]
    try:
        for known, played in ((HEARERS, toys), (BRIEF, {"toys": ("user.otp_requested",)})):
            known.clear()
            known.update(played)
        yield real
    finally:
        for known, was in kept:  # in their order: who waits for the last queue expects the others before it
            known.clear()
            known.update(was)


@pytest.fixture(scope="session")
def schema(empty_schema: Callable[[str], str]) -> str:
    """A schema with every shared table."""
    url = empty_schema("common")
    engine = create_engine(url)
    METADATA.create_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def database_url(schema: str) -> str:
    """The schema, with nothing in it."""
    engine = create_engine(schema)
    with engine.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(delete(table))
    engine.dispose()
    return schema


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine as a service has one."""
    engine = new_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    """Sessions as a service has them."""
    return new_sessions(engine)


@pytest.fixture
def broker(new_broker: Callable[[], Broker]) -> Broker:
    """A virtual host of the test's own."""
    return new_broker()


@pytest.fixture
def effects(sessions: Sessions) -> Callable[[], list[str]]:
    """What the handlers have done so far, in order."""

    def read() -> list[str]:
        with sessions.begin() as session:
            return list(session.scalars(select(EFFECTS.c.what).order_by(EFFECTS.c.id)))

    return read


@pytest.fixture
def stacked() -> Iterator[ExitStack]:
    """Closes what the test has opened, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def door(stacked: ExitStack) -> Callable[[str], Proxy]:
    """A door before the server of a URL."""
    return lambda url: stacked.enter_context(proxied(url))


@pytest.fixture
def proxy(door: Callable[[str], Proxy], broker: Broker) -> Proxy:
    """A door before the broker."""
    return door(broker.url)


@pytest.fixture
def new_app(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Celery]:
    """Makes the Celery application of a service whose broker has this address."""

    def new(url: str) -> Celery:
        for name, value in (("BROKER", url), ("DATABASE", "unused://"), ("REDIS", "unused://")):
            monkeypatch.setenv(f"STOA_{name}_URL", value)
        return new_celery("toys", "toys.tasks")

    return new


class Kept(AbstractContextManager["Kept"]):
    """Background work on an event loop of its own, as a process has it; `ended` once it has stopped."""

    def __init__(self, work: Background) -> None:
        self._work = work
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=work.name)
        self._thread.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            self._task = self._loop.create_task(keep_running(self._work))
            runner.run(self._wait())

    async def _wait(self) -> None:
        await asyncio.wait([self._task])

    @property
    def alive(self) -> bool:
        """Whether the work goes on."""
        return not self._task.done()

    def stop(self) -> None:
        """Cancel the work and wait for its end."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(cancelled([self._task]), self._loop)
        self._thread.join(20)
        assert not self._thread.is_alive(), f"{self._work.name} does not stop"

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture
def keep(stacked: ExitStack) -> Callable[[Background], Kept]:
    """Keeps work running until the test ends."""
    return lambda work: stacked.enter_context(Kept(work))


@pytest.fixture
def registered() -> Callable[..., UserRegistered]:
    """An event about a fresh person, or about the one given."""

    def make(user_id: UUID | None = None, version: int = 1, name: str = "ada") -> UserRegistered:
        return UserRegistered(user_id=user_id or new_id(), version=version, username=name, email="ada@example.org")

    return make


@pytest.fixture(scope="session")
def house_broker(new_broker: Callable[[], Broker]) -> Broker:
    """A virtual host for tests that are about something else."""
    return new_broker()


@pytest.fixture
def settings(database_url: str, house_broker: Broker, redis_url: str) -> Settings:
    """What a service would read from its environment."""
    return Settings(
        env="test",
        database_url=database_url,
        broker_url=house_broker.url,
        redis_url=redis_url,
        auth_url="http://127.0.0.1:1",
        threads=8,
    )


@pytest.fixture
def dead(broker: Broker) -> Callable[[], int]:
    """How many letters the toys could not deliver."""
    return lambda: broker.size(dead_letter_name("toys"))


@pytest.fixture
def kill(schema: str) -> Iterator[Callable[[int], None]]:
    """Ends a database connection by its number, as an operator would."""
    engine = create_engine(schema, isolation_level="AUTOCOMMIT")

    def end(number: int) -> None:
        with engine.connect() as connection:
            connection.execute(text(f"KILL {number}"))

    yield end
    engine.dispose()
