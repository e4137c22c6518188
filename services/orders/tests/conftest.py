"""Orders with a real database and broker; catalog and cart are played by the tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import Engine, create_engine, func, select

from common.outbox import outbox
from common.revocation import EPOCH
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer
from common.testing.sisters import FakeSister, fake_sister
from common.testing.waiting import eventually
from orders.main import build
from orders.settings import OrdersSettings

FOLDER = Path(__file__).parents[1]


class Shelves:
    """Catalog's understudy: holds stock as catalog does, and can be told to fail."""

    def __init__(self, played: FakeSister) -> None:
        self.stock: dict[int, int] = {}
        self.holds: dict[str, list[dict[str, Any]]] = {}
        self.gone: set[int] = set()
        self.prices: dict[int, str] = {}
        self.calls = 0
        played.answer("POST", "/internal/reservations/", self._reserve)

    def _reserve(self, _: str, body: Any) -> tuple[int, Any]:
        self.calls += 1
        return 200, {"results": [self._hold(wish) for wish in body["reservations"]]}

    def _hold(self, wish: dict[str, Any]) -> dict[str, Any]:
        order_id, lines = wish["order_id"], wish["lines"]
        wanted = [(line["product_id"], line["quantity"]) for line in lines]
        if order_id not in self.holds:
            missing = [product for product, _ in wanted if product not in self.stock]
            if missing:
                return self._no(order_id, "unknown", [(p, q) for p, q in wanted if p in missing])
            if any(product in self.gone for product, _ in wanted):
                return self._no(order_id, "unavailable", [(p, q) for p, q in wanted if p in self.gone])
            short = [(p, q) for p, q in wanted if self.stock[p] < q]
            if short:
                return self._no(order_id, "short", short)
            for product, quantity in wanted:
                self.stock[product] -= quantity
            self.holds[order_id] = [
                {"product_id": p, "quantity": q, "sku": f"SKU-{p}", "name": f"Product {p}"}
                | {"price": self.prices.get(p, "2.50")}
                for p, q in wanted
            ]
        return {"order_id": order_id, "outcome": "held", "lines": self.holds[order_id], "items": []}

    def _no(self, order_id: str, outcome: str, lines: list[tuple[int, int]]) -> dict[str, Any]:
        items = [{"product_id": p, "requested": q, "available": self.stock.get(p, 0)} for p, q in lines]
        return {"order_id": order_id, "outcome": outcome, "lines": [], "items": items}


@pytest.fixture(scope="session")
def database_url(new_schema: Callable[[Path], str]) -> str:
    return new_schema(FOLDER)


@pytest.fixture(scope="session")
def broker(new_broker: Callable[[], Broker]) -> Broker:
    return new_broker()


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, isolation_level="READ COMMITTED")
    yield engine
    engine.dispose()


@pytest.fixture
def catalog() -> Iterator[FakeSister]:
    with fake_sister() as played:
        yield played


@pytest.fixture
def shelves(catalog: FakeSister) -> Shelves:
    shelves = Shelves(catalog)
    shelves.stock = {1: 100, 2: 100, 3: 1}
    return shelves


@pytest.fixture
def cart() -> Iterator[FakeSister]:
    with fake_sister() as played:
        yield played


@pytest.fixture
def settings(
    database_url: str,
    broker: Broker,
    redis_url: str,
    auth_sister: FakeSister,
    catalog: FakeSister,
    cart: FakeSister,
    badges: Badges,
) -> OrdersSettings:
    with Redis.from_url(redis_url) as redis:
        redis.set(EPOCH, "tests")
    return OrdersSettings(
        env="test",
        database_url=database_url,
        broker_url=broker.url,
        redis_url=redis_url,
        auth_url=auth_sister.url,
        catalog_url=catalog.url,
        cart_url=cart.url,
        service_key=badges.key("orders"),
        sister_keys=badges.public("cart", "catalog", "realtime"),
        intent_deadline_s=60,
        catalog_timeout_s=5,  # a busy machine is no dead sister
        cart_timeout_s=5,
    )


@pytest.fixture
def client(settings: OrdersSettings, engine: Engine) -> Iterator[TestClient]:
    """The web application; it goes only when all that a test made it say is on the wire."""
    with TestClient(build(settings), raise_server_exceptions=False) as client:
        yield client
        eventually(lambda: _unsent(engine) == 0)


def _unsent(engine: Engine) -> int:
    with engine.connect() as connection:
        waiting = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
        return int(connection.scalar(waiting) or 0)


@pytest.fixture
def ada(signer: Signer) -> SignedUser:
    return signer.user("ada")


@pytest.fixture
def bob(signer: Signer) -> SignedUser:
    return signer.user("bob")


@pytest.fixture
def admin(signer: Signer) -> SignedUser:
    return signer.admin()


@pytest.fixture
def order_id(client: TestClient, shelves: Shelves, ada: SignedUser) -> str:
    body = {"items": [{"product_id": 1, "quantity": 2}]}
    return str(client.post("/api/orders/", json=body, headers=ada.headers).json()["id"])


def move(client: TestClient, user: SignedUser, order_id: str, status: str, **headers: str) -> Any:
    return client.put(f"/api/orders/{order_id}/", json={"status": status}, headers=user.headers | headers)
