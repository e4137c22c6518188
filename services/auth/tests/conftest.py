"""The bench of auth's tests: the real application on a port, with a schema, a virtual host and a Redis of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from redis import Redis
from sqlalchemy import select, update

from auth.main import build
from auth.models import Challenge, Purpose, User, compared
from auth.settings import AuthSettings
from common.database import Sessions, new_engine, new_sessions
from common.ids import new_id
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.waiting import eventually

FOLDER = Path(__file__).parents[1]
SECRET = "only-for-the-tests-of-this-service-0123456789"
PASSWORD = "oranges in the portico"
KEEP_ALIVE_S = 120
"""As in production: longer than a client keeps an idle connection (httpx: 5 s), or it may send on one that closes."""


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
    patient = {"timeout_keep_alive": KEEP_ALIVE_S, "timeout_graceful_shutdown": 5}
    config = uvicorn.Config(build(settings), port=0, ws="none", log_config=None, **patient)
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
    limits = httpx.Limits(max_connections=100, keepalive_expiry=KEEP_ALIVE_S / 2)
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
class Postman:
    """Writes the mails in the place of notifier: asks auth what a challenge's mail says."""

    client: httpx.Client
    sessions: Sessions
    badges: Badges

    def challenge(self, email: str, purpose: Purpose) -> Challenge:
        """The latest challenge for this address."""
        asked = Challenge.email_key == compared(email), Challenge.purpose == purpose
        with self.sessions.begin() as session:
            return session.scalars(select(Challenge).where(*asked).order_by(Challenge.created_at.desc())).all()[0]

    def ask(self, email: str, purpose: Purpose) -> httpx.Response:
        """Auth's answer about the latest challenge for this address."""
        shown = self.badges.headers("notifier", to="auth")
        return self.client.get(f"/internal/challenges/{self.challenge(email, purpose).id}/", headers=shown)

    def secret(self, email: str, purpose: Purpose) -> str:
        """The code or token in the mail."""
        answer = self.ask(email, purpose)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["secret"])

    def age(self, email: str, by: timedelta) -> None:
        """Move all that was asked for this address into the past."""
        with self.sessions.begin() as session:
            for row in session.scalars(select(Challenge).where(Challenge.email_key == compared(email))):
                row.created_at -= by
                row.expires_at -= by
                row.closed_at = row.closed_at and row.closed_at - by


@pytest.fixture(scope="session")
def postman(client: httpx.Client, sessions: Sessions, badges: Badges) -> Postman:
    return Postman(client, sessions, badges)


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

    @property
    def email(self) -> str:
        return self.form["email"]

    @property
    def password(self) -> str:
        return self.form["password"]

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        """A request in this session."""
        return self.client.request(method, f"/api/auth/{path}", json=body, headers=self.headers | (headers or {}))

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
    return signed_up(client)


@pytest.fixture
def ben(client: httpx.Client) -> Person:
    """Another fresh user who has signed in."""
    return signed_up(client)


def signed_up(client: httpx.Client, **changed: Any) -> Person:
    """A fresh user who has signed in."""
    sent = form(**changed)
    answer = client.post("/api/auth/register/", json=sent)
    assert answer.status_code == 201, answer.text
    return Person(client, sent, answer.json()).log_in()


@pytest.fixture
def admin(client: httpx.Client, sessions: Sessions) -> Iterator[Person]:
    """A fresh administrator; none any more when the test is done."""
    person = signed_up(client)
    of_theirs = update(User).where(User.username_key == compared(person.form["username"]))
    with sessions.begin() as session:
        session.execute(of_theirs.values(role="admin"))
    yield person.log_in()
    with sessions.begin() as session:
        session.execute(of_theirs.values(role="user"))


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, which must be a problem of this status and code."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return body


def from_address(number: int) -> dict[str, str]:
    """The header by which the gateway names a client's address."""
    return {"X-Forwarded-For": f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"}
