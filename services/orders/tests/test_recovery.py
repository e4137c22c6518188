"""An order whose placing broke off: somebody finishes it or gives it back, never both and never neither."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from common.database import new_sessions
from common.faults import CRASH_STATUS
from common.ids import new_id
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.migrations import walk
from common.testing.signing import SignedUser
from orders.models import Order, Placement
from orders.resolving import sweep
from orders.settings import OrdersSettings

from .conftest import FOLDER, Shelves
from .processes import Running, ids, lease_over, overdue, placements, running

BODY = {"items": [{"product_id": 1, "quantity": 2}]}
Ask = Callable[[Any], Any]
POINTS = ["orders.after_intent", "orders.after_hold", "orders.before_commit", "orders.after_commit"]


@pytest.fixture
def crashing(settings: OrdersSettings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A real orders process that dies at the point the test names."""
    with running(settings, tmp_path, request.param) as process:
        yield process
        assert process.end() == CRASH_STATUS, process.log.read_text()[-2000:]


@pytest.fixture
def ask(client: TestClient, badges: Badges) -> Ask:
    """Asks for the final word on an order, as catalog does."""

    def resolve(order_id: Any) -> Any:
        shown = badges.headers("catalog", to="orders")
        return client.post(f"/internal/orders/{order_id}/resolve/", headers=shown).json()

    return resolve


@pytest.mark.parametrize("crashing", POINTS, indirect=True)
@pytest.mark.parametrize("repeated", [True, False], ids=["the buyer asks again", "the buyer has gone"])
def test_a_crash_at_any_point_ends_in_a_whole_order_or_in_free_stock(
    crashing: Running,
    repeated: bool,
    shelves: Shelves,
    engine: Engine,
    ada: SignedUser,
    settings: OrdersSettings,
    broker: Broker,
    request: pytest.FixtureRequest,
) -> None:
    taps = {name: broker.tap(name) for name in ("order.placed", "order.cancelled")}
    headers = ada.headers | {"Idempotency-Key": str(uuid4())}
    with pytest.raises(httpx2.TransportError):
        crashing.http.post("/api/orders/", json=BODY, headers=headers)

    committed = "after_commit" in request.node.callspec.id
    assert placements(engine, ada.id) == [Placement.PLACED if committed else Placement.PENDING]
    client = request.getfixturevalue("client")
    if repeated:
        lease_over(engine)
        answer = client.post("/api/orders/", json=BODY, headers=headers)
        assert answer.status_code == 201, answer.text
        assert answer.headers.get("idempotent-replayed") == ("true" if committed else None)
    overdue(engine)
    sweep(new_sessions(engine))

    if repeated or committed:
        assert placements(engine, ada.id) == [Placement.PLACED]
        assert shelves.stock[1] == 98
        assert [str(order_id) for order_id in ids(engine, ada.id)] == list(shelves.holds)
        told(broker, taps["order.placed"], *shelves.holds)
        assert broker.size(taps["order.cancelled"]) == 0
    else:
        assert placements(engine, ada.id) == [Placement.CANCELLED]
        (given_up,) = ids(engine, ada.id)
        assert told(broker, taps["order.cancelled"], str(given_up))["was_placed"] is False
        assert set(shelves.holds) <= {str(given_up)}
        again = client.post("/api/orders/", json=BODY, headers=headers)
        assert (again.status_code, again.json()["code"]) == (409, "order_expired")


def told(broker: Broker, tap: str, subject: str) -> Any:
    """The data of the event about this order; what earlier tests left in the outbox may come before it."""
    while True:
        (event,) = broker.take(tap, 1)
        if event["subject"] == subject:
            return event["data"]


def test_catalog_is_told_the_final_word(
    client: TestClient, shelves: Shelves, ada: SignedUser, engine: Engine, ask: Ask
) -> None:
    def word(order_id: Any) -> Any:
        return ask(order_id)["outcome"]

    placed = client.post("/api/orders/", json=BODY, headers=ada.headers).json()["id"]
    assert word(placed) == "placed"
    assert word(new_id()) == "unknown"
    client.post("/api/orders/", json={"items": [{"product_id": 3, "quantity": 9}]}, headers=ada.headers)
    with Session(engine) as session:
        rejected = session.scalars(select(Order.id).where(Order.placement == Placement.REJECTED)).all()
    assert word(rejected[-1]) == "cancelled"


def test_asking_gives_up_an_overdue_intent_but_not_a_fresh_one(
    client: TestClient, catalog: Any, ada: SignedUser, engine: Engine, ask: Ask
) -> None:
    catalog.answer("POST", "/internal/reservations/", lambda *_: (500, {}))
    key = {"Idempotency-Key": str(uuid4())}
    assert client.post("/api/orders/", json=BODY, headers=ada.headers | key).status_code == 503
    with Session(engine) as session:
        intent = session.scalars(select(Order.id).where(Order.user_id == ada.id)).one()
    assert ask(intent) == {"outcome": "pending"}
    overdue(engine)
    assert ask(intent) == {"outcome": "cancelled"}
    assert client.get(f"/api/orders/{intent}/", headers=ada.headers).status_code == 404


def test_the_schema_goes_up_and_down_and_agrees_with_the_models(empty_schema: Any) -> None:
    walk(FOLDER, empty_schema("orders"))
