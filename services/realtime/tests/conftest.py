"""Realtime's bench: a schema, a broker with its queues, and clients of one or two processes."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from starlette.testclient import TestClient

from common.broker import connect, declare_events
from common.clock import now
from common.database import Sessions, new_engine, new_sessions
from common.events.orders import Line, OrderCancelled, OrderPlaced
from common.http import Sister
from common.ids import new_id
from common.revocation import EPOCH
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.signing import Signer
from common.testing.sisters import FakeSister, fake_sister
from realtime import rebuilding
from realtime.clients import Orders
from realtime.main import build
from realtime.settings import RealtimeSettings

from .bookkeeping import Books

FOLDER = Path(__file__).parent.parent

_products = itertools.count(1000)


@pytest.fixture(scope="session")
def database_url(new_schema: Callable[[Path], str]) -> str:
    return new_schema(FOLDER)


@pytest.fixture(scope="session")
def broker(new_broker: Callable[[], Broker]) -> Broker:
    made = new_broker()
    asyncio.run(_declare(made.url))
    return made


async def _declare(url: str) -> None:
    connection = await connect(url, "tests")
    await declare_events(await connection.channel())
    await connection.close()


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    engine = new_engine(database_url)
    yield new_sessions(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def auth(signer: Signer) -> Iterator[FakeSister]:
    """An auth that publishes the signer's key."""
    with fake_sister() as auth:
        signer.publish_on(auth)
        yield auth


@pytest.fixture(scope="session")
def settings(database_url: str, broker: Broker, redis_url: str, auth: FakeSister) -> RealtimeSettings:
    return RealtimeSettings(
        env="test",
        database_url=database_url,
        broker_url=broker.url,
        redis_url=redis_url.removesuffix("/0") + "/5",
        auth_url=auth.url,
        send_timeout_s=1,
        messages_per_s=0,
    )


@pytest.fixture
def store(settings: RealtimeSettings) -> Iterator[Redis]:
    """Redis, which knows of every session that has ended."""
    with Redis.from_url(settings.redis_url) as store:
        store.set(EPOCH, "tests")
        yield store


@pytest.fixture(scope="module")
def client(settings: RealtimeSettings) -> Iterator[TestClient]:
    with TestClient(build(settings)) as client:
        yield client


@pytest.fixture
def product() -> int:
    """A product that no other test sells."""
    return next(_products)


def _order(lines: dict[int, int]) -> dict[str, Any]:
    return {
        "order_id": new_id(),
        "version": 1,
        "number": "S-1",
        "user_id": new_id(),
        "total": Decimal("1.00"),
        "currency": "EUR",
        "lines": [
            Line(product_id=product, sku=None, name="A thing", quantity=quantity, price=Decimal("1.00"))
            for product, quantity in lines.items()
        ],
        "at": now(),
    }


Placed = Callable[[dict[int, int]], OrderPlaced]
Cancelled = Callable[..., OrderCancelled]


@pytest.fixture
def placed() -> Placed:
    """An order of these products in these quantities."""
    return lambda lines: OrderPlaced(**_order(lines))


@pytest.fixture
def cancelled() -> Cancelled:
    """The cancellation of such an order."""
    return lambda lines, **more: OrderCancelled(**_order(lines), previous="pending", reason="customer", **more)


@pytest.fixture
def books(broker: Broker, sister: FakeSister, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Orders with pages of two."""
    monkeypatch.setattr(rebuilding, "PAGE", 2)
    books = Books(broker)
    books.answer_at(sister)
    return books


@pytest.fixture
def orders(sister: FakeSister, badges: Badges) -> Iterator[Orders]:
    client = Sister("orders", sister.url, badges.badge("realtime"), timeout_s=60)
    yield Orders(client)
    client.close()
