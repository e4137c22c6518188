"""Notifier with a real database, broker and workers; the mail server is a small one that can be told to refuse."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import Engine, create_engine, delete
from sqlalchemy.orm import Session

from common.broker import connect, declare_events
from common.database import Sessions, new_sessions
from common.http import Sister
from common.revocation import EPOCH
from common.service_tokens import Sisters
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.sisters import FakeSister
from notifier import tasks
from notifier.clients import Challenges
from notifier.hooks.models import Delivery, Endpoint
from notifier.main import build
from notifier.models import Notification, Recipient, SwitchedOff
from notifier.settings import NotifierSettings

from .authority import Authority
from .hookdesk import KEY
from .integrator import Integrator
from .postoffice import PostOffice

FOLDER = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def database_url(new_schema: Callable[[Path], str]) -> str:
    return new_schema(FOLDER)


@pytest.fixture(scope="session")
def broker(new_broker: Callable[[], Broker]) -> Broker:
    """With its queues, so that a test may speak before the service listens."""
    made = new_broker()
    asyncio.run(_declare(made.url))
    return made


async def _declare(url: str) -> None:
    connection = await connect(url, "tests")
    await declare_events(await connection.channel())
    await connection.close()


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, isolation_level="READ COMMITTED")
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    """Sessions on a schema without mails, users and webhooks."""
    with Session(engine) as session:
        for table in (Notification, Recipient, SwitchedOff, Delivery, Endpoint):
            session.execute(delete(table))
        session.commit()
    return new_sessions(engine)


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice.opened() as office:
        yield office


@pytest.fixture
def integrator() -> Iterator[Integrator]:
    with Integrator.opened() as integrator:
        yield integrator


@pytest.fixture
def authority(auth_sister: FakeSister, badges: Badges) -> Authority:
    return Authority(auth_sister, Sisters("auth", badges.public("notifier")))


@pytest.fixture
def way_to_auth(auth_sister: FakeSister, badges: Badges) -> Iterator[Sister]:
    """What notifier asks auth with."""
    sister = Sister("auth", auth_sister.url, badges.badge("notifier"), timeout_s=10)
    yield sister
    sister.close()


@pytest.fixture
def challenges(way_to_auth: Sister) -> Challenges:
    return Challenges(way_to_auth)


@pytest.fixture
def settings(
    database_url: str, broker: Broker, redis_url: str, auth_sister: FakeSister, badges: Badges, office: PostOffice
) -> NotifierSettings:
    with Redis.from_url(redis_url) as redis:
        redis.set(EPOCH, "tests")
    return NotifierSettings(
        env="test",
        database_url=database_url,
        broker_url=broker.url,
        redis_url=redis_url,
        auth_url=auth_sister.url,
        smtp_url=office.url,
        webhook_key=KEY,
        webhook_allow_private=True,
        service_key=badges.key("notifier"),
    )


@pytest.fixture
def environment(settings: NotifierSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings as a worker finds them."""
    for name, value in settings.model_dump().items():
        monkeypatch.setenv(f"STOA_{name.upper()}", str(value))
    tasks._settings.cache_clear()
    tasks._sessions.cache_clear()
    tasks._challenges.cache_clear()
    yield
    tasks._sessions().kw["bind"].dispose()
    tasks._challenges()._sister.close()


@pytest.fixture
def client(settings: NotifierSettings, sessions: Sessions, environment: None) -> Iterator[TestClient]:
    with TestClient(build(settings)) as client:
        yield client


@contextmanager
def working() -> Iterator[None]:
    """With a worker, as long as the block lasts."""
    with start_worker(
        tasks.celery,
        perform_ping_check=False,
        pool="solo",
        loglevel="ERROR",
        shutdown_timeout=20,
        without_heartbeat=False,
    ):
        yield


@pytest.fixture
def worker(environment: None) -> Iterator[None]:
    with working():
        yield
