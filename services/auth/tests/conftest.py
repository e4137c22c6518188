"""The bench of auth's tests: the real application on a port, with a schema, a virtual host and a Redis of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from redis import Redis

from auth.main import build
from auth.settings import AuthSettings
from common.database import Sessions, new_engine, new_sessions
from common.ids import new_id
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.waiting import eventually

FOLDER = Path(__file__).parents[1]
SECRET = "only-for-the-tests-of-this-service-0123456789"
PASSWORD = "oranges in the portico"


@pytest.fixture(scope="session")
def database_url(new_schema: Callable[[Path], str]) -> str:
    return new_schema(FOLDER)


@pytest.fixture(scope="session")
def broker(new_broker: Callable[[], Broker]) -> Broker:
    return new_broker()


@pytest.fixture(scope="session")
def own_redis_url(redis_url: str) -> str:
    """A database that no other service's tests look into: auth keeps an epoch there."""
    return redis_url.removesuffix("/0") + "/1"


@pytest.fixture(scope="session")
def settings(database_url: str, broker: Broker, own_redis_url: str, badges: Badges) -> AuthSettings:
    return AuthSettings(
        env="test",
        database_url=database_url,
        broker_url=broker.url,
        redis_url=own_redis_url,
        secret_key=SECRET,
        sister_keys=badges.public("catalog", "notifier"),
        argon2_time_cost=1,
        argon2_memory_kib=64,
    )


@contextmanager
def serving(settings: AuthSettings) -> Iterator[str]:
    """The application behind uvicorn on a free port; its address."""
    config = uvicorn.Config(build(settings), port=0, ws="none", log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def auth_url(settings: AuthSettings) -> Iterator[str]:
    with serving(settings) as url:
        yield url


@pytest.fixture(scope="session")
def client(auth_url: str) -> Iterator[httpx.Client]:
    limits = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=auth_url, trust_env=False, limits=limits, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def sessions(database_url: str) -> Iterator[Sessions]:
    engine = new_engine(database_url)
    yield new_sessions(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def redis(own_redis_url: str) -> Iterator["Redis"]:
    with Redis.from_url(own_redis_url) as redis:
        yield redis


@dataclass
class Person:
    """Someone with an account, and what the last sign-in gave them."""

    client: httpx.Client
    form: dict[str, str]
    user: dict[str, Any]
    access_token: str = ""
    refresh_token: str = ""

    @property
    def id(self) -> str:
        return str(self.user["id"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    def log_in(self) -> "Person":
        """Sign in once more, in a session of its own."""
        body = {"username": self.form["username"], "password": self.form["password"]}
        answer = self.client.post("/api/auth/login/", json=body)
        assert answer.status_code == 200, answer.text
        pair = answer.json()
        return Person(self.client, self.form, self.user, pair["access_token"], pair["refresh_token"])


def form(**changed: Any) -> dict[str, Any]:
    """A registration that is all right and that nobody else has sent."""
    name = f"ada-{new_id().hex}"
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD} | changed


@pytest.fixture
def ada(client: httpx.Client) -> Person:
    """A fresh user who has signed in."""
    sent = form()
    answer = client.post("/api/auth/register/", json=sent)
    assert answer.status_code == 201, answer.text
    return Person(client, sent, answer.json()).log_in()
