"""What catalog's tests stand on: one running application, its sisters, and short ways to say things to it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import case, func, select
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from catalog.importing import run_import
from catalog.jobs import Tell
from catalog.main import build
from catalog.models import Product, StockMovement
from catalog.settings import CatalogSettings
from catalog.storage import Store, new_store
from common.clock import now
from common.database import Sessions, error_number, new_engine, new_sessions
from common.ids import new_id
from common.outbox import outbox
from common.revocation import EPOCH
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer
from common.testing.sisters import FakeSister, fake_sister
from common.testing.waiting import eventually

SERVICE = Path(__file__).parents[1]
DEADLOCK = 1213


@pytest.fixture(scope="session")
def database_url(new_schema: Callable[[Path], str]) -> str:
    """Catalog's schema."""
    return new_schema(SERVICE)


@pytest.fixture(scope="session")
def broker(new_broker: Callable[[], Broker]) -> Broker:
    """Catalog's virtual host."""
    return new_broker()


@pytest.fixture(scope="session")
def orders() -> Iterator[FakeSister]:
    """The orders service, played by the tests."""
    with fake_sister() as played:
        yield played


@pytest.fixture(scope="session")
def settings(
    database_url: str,
    broker: Broker,
    redis_url: str,
    signer: Signer,
    orders: FakeSister,
    badges: Badges,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CatalogSettings]:
    """The settings, in the environment as well: the worker's side reads them there."""
    with fake_sister() as auth, pytest.MonkeyPatch.context() as environment:
        signer.publish_on(auth)
        values = {
            "env": "test",
            "database_url": database_url,
            "broker_url": broker.url,
            "redis_url": redis_url,
            "auth_url": auth.url,
            "orders_url": orders.url,
            "service_key": badges.key("catalog"),
            "sister_keys": badges.public("auth", "cart", "orders"),
            "upload_dir": str(tmp_path_factory.mktemp("uploads")),
            "sweep_s": "0.2",
            "requeue_s": "0.2",
        }
        for name, value in values.items():
            environment.setenv(f"STOA_{name.upper()}", value)
        yield CatalogSettings()


@pytest.fixture(scope="session")
def client(settings: CatalogSettings) -> Iterator[TestClient]:
    """The whole application, its background included."""
    with Redis.from_url(settings.redis_url) as redis:
        redis.set(EPOCH, "test")
    with TestClient(build(settings)) as client:
        yield client


@pytest.fixture(scope="session")
def sessions(database_url: str) -> Iterator[Sessions]:
    """The tests' own way into the schema, wide enough for a crowd of threads."""
    engine = new_engine(database_url, pool_size=30)
    yield new_sessions(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def admin(signer: Signer) -> SignedUser:
    """An administrator."""
    return signer.admin()


@pytest.fixture(scope="session")
def customer(signer: Signer) -> SignedUser:
    """Somebody who is none."""
    return signer.user()


@pytest.fixture
def deadlocks() -> Iterator[list[RetryDetails]]:
    """The transactions that were run again while the test ran because they had lost a deadlock."""
    seen: list[RetryDetails] = []

    def note(details: RetryDetails) -> None:
        if error_number(details.caused_by) == DEADLOCK:
            seen.append(details)

    before = get_on_retry_hooks()
    set_on_retry_hooks([note])
    yield seen
    set_on_retry_hooks(before)


class Shop:
    """Short ways to do to catalog what tests often do."""

    def __init__(
        self,
        client: TestClient,
        admin: SignedUser,
        sessions: Sessions,
        broker: Broker,
        store: Store,
        badges: Badges,
    ) -> None:
        self.client = client
        self.admin = admin
        self.sessions = sessions
        self.broker = broker
        self.store = store
        self.badges = badges

    def add(self, **values: Any) -> dict[str, Any]:
        """A new product, as administrators see it."""
        body = {"name": "Lantern", "price": "3.39", "sku": self.sku(), "stock": 10} | values
        return self._body(self.client.post("/api/products/", json=body, headers=self.admin.headers), 201)

    def see(self, product_id: int) -> dict[str, Any]:
        """The product as administrators see it now."""
        return self._body(self.client.get(f"/api/products/{product_id}/", headers=self.admin.headers))

    def see_sku(self, sku: str) -> dict[str, Any]:
        """The same, by its SKU."""
        return self._body(self.client.get(f"/api/products/by-sku/{sku}/", headers=self.admin.headers))

    def change(self, product_id: int, **values: Any) -> dict[str, Any]:
        """The product after a PATCH."""
        path = f"/api/products/{product_id}/"
        return self._body(self.client.patch(path, json=values, headers=self.admin.headers))

    def counters(self, product_id: int) -> tuple[int, int, int]:
        """On hand, reserved and sold."""
        product = self.see(product_id)
        return product["on_hand"], product["reserved"], product["sold_count"]

    def hold(self, *wishes: dict[str, Any]) -> list[dict[str, Any]]:
        """What becomes of these wishes."""
        results: list[dict[str, Any]] = self._body(self.ask_to_hold(*wishes))["results"]
        return results

    def ask_to_hold(self, *wishes: Any) -> Any:
        """Catalog's answer to orders about these wishes."""
        shown = self.badges.headers("orders", to="catalog")
        return self.client.post("/internal/reservations/", json={"reservations": wishes}, headers=shown)

    def briefs(self, query: str) -> list[dict[str, Any]]:
        """Products as cart asks for them."""
        shown = self.badges.headers("cart", to="catalog")
        products: list[dict[str, Any]] = self._body(self.client.get(f"/internal/products/?{query}", headers=shown))[
            "products"
        ]
        return products

    def upload(self, text: str | bytes, media_type: str = "text/csv", **options: Any) -> UUID:
        """The id of an import of this file, which nobody works on yet."""
        content = text.encode() if isinstance(text, str) else text
        headers = self.admin.headers | {"Content-Type": media_type}
        answer = self.client.post("/api/products/bulk-upload/", content=content, headers=headers, params=options)
        return UUID(self._body(answer, 202)["task_id"])

    def take_in(self, text: str | bytes, media_type: str = "text/csv", **options: Any) -> dict[str, Any]:
        """The report of an import of this file, worked through here and now."""
        import_id = self.upload(text, media_type, **options)
        self.work_on(import_id)
        return self.report(import_id)

    def work_on(self, import_id: UUID, tell: Tell = lambda _: True) -> None:
        """What the worker does."""
        run_import(self.sessions, import_id, self.store, "EUR", tell)

    def report(self, import_id: UUID) -> dict[str, Any]:
        """How far an import has come."""
        return self._body(self.client.get(f"/api/products/bulk-upload/{import_id}/", headers=self.admin.headers))

    def bad_rows(self, import_id: str) -> list[dict[str, Any]]:
        """The rows that an import has not taken."""
        path = f"/api/products/bulk-upload/{import_id}/errors/"
        rows: list[dict[str, Any]] = self._body(self.client.get(path, headers=self.admin.headers))["results"]
        return rows

    def tap(self, *types: str) -> str:
        """A queue that gets what is said from now on: all that was said before has left."""
        eventually(lambda: self.unsent() == 0)
        return self.broker.tap(*types)

    def unsent(self) -> int:
        """How many events wait in the outbox."""
        with self.sessions.begin() as session:
            waiting = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            return session.scalar(waiting) or 0

    def adjust(self, product_id: int, delta: int, reason: str = "received", key: str | None = None, **more: Any) -> Any:
        """The answer to an administrator who says that pieces came or went."""
        headers = self.admin.headers | ({} if key is None else {"Idempotency-Key": key})
        body = {"delta": delta, "reason": reason} | more
        return self.client.post(f"/api/products/{product_id}/stock/adjust/", json=body, headers=headers)

    def said_of(self, product_id: int) -> list[tuple[str, int, dict[str, Any]]]:
        """What was ever said about the product: types, versions and contents, in the order of leaving."""
        about = select(outbox.c.type, outbox.c.sequence, outbox.c.envelope).where(outbox.c.subject == str(product_id))
        with self.sessions.begin() as session:
            rows = session.execute(about.order_by(outbox.c.seq))
            return [(row.type, row.sequence, row.envelope["data"]) for row in rows]

    def ledger(self, product_id: int) -> list[tuple[int, str]]:
        """The product's rows in the ledger."""
        of_product = StockMovement.product_id == product_id
        with self.sessions.begin() as session:
            rows = session.scalars(select(StockMovement).where(of_product).order_by(StockMovement.id))
            return [(row.delta, row.reason) for row in rows]

    def check_books(self) -> None:
        """Every product's ledger adds up to what is on hand, its sales less cancellations to what is sold."""
        row = StockMovement
        summed = func.coalesce(func.sum(row.delta), 0)
        sales = func.coalesce(func.sum(case((row.reason.in_(("sold", "cancelled")), -row.delta), else_=0)), 0)
        wrong = (
            select(Product.id, Product.on_hand, summed, Product.sold, sales)
            .join(row, row.product_id == Product.id, isouter=True)
            .group_by(Product.id, Product.on_hand, Product.sold)
            .having((Product.on_hand != summed) | (Product.sold != sales))
        )
        with self.sessions.begin() as session:
            assert session.execute(wrong).all() == []

    @staticmethod
    def counts(report: dict[str, Any]) -> dict[str, int]:
        """An import's counters that are not zero."""
        names = ("created", "updated", "unchanged", "failed", "duplicates", "ignored")
        return {name: report[name] for name in names if report[name]}

    @staticmethod
    def lamps(prefix: str, number: int) -> str:
        """A file of so many products."""
        rows = (f"{prefix}-{n},Lamp {n},1.50,3\n" for n in range(number))
        return "sku,name,price,stock\n" + "".join(rows)

    @staticmethod
    def sku() -> str:
        """A SKU that nobody has used."""
        return f"S-{new_id()}"

    @staticmethod
    def wish(lines: dict[int, int], order_id: UUID | None = None, seconds: float = 60) -> dict[str, Any]:
        """One order's wish to hold stock."""
        return {
            "order_id": str(order_id or new_id()),
            "expires_at": (now() + timedelta(seconds=seconds)).isoformat(),
            "lines": [{"product_id": product_id, "quantity": quantity} for product_id, quantity in lines.items()],
        }

    @staticmethod
    def _body(answer: Any, status: int = 200) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def shop(
    client: TestClient,
    admin: SignedUser,
    sessions: Sessions,
    broker: Broker,
    settings: CatalogSettings,
    badges: Badges,
) -> Iterator[Shop]:
    """The shop; when the test is done the books must add up."""
    shop = Shop(client, admin, sessions, broker, new_store(settings), badges)
    yield shop
    shop.check_books()
