"""Placing while what it needs is away, slow or mad: nothing is half done, and the same key finishes it later."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from common.idempotency import idempotency_keys, known, new_claim
from common.outbox import outbox
from common.testing.signing import SignedUser
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually
from orders import wishing
from orders.main import build
from orders.models import Order, Placement
from orders.settings import OrdersSettings

from .conftest import Shelves
from .test_races import waits

RESERVE = "/internal/reservations/"
ONE = {"items": [{"product_id": 1, "quantity": 2}]}
LINE = {"product_id": 1, "quantity": 2, "sku": "S", "name": "Jug", "price": "2.50"}


def order(client: TestClient, user: SignedUser, key: str, body: Any = ONE) -> Any:
    return client.post("/api/orders/", json=body, headers=user.headers | {"Idempotency-Key": key})


def refused(answer: Any, code: str = "catalog_unavailable") -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["retry-after"] == "2"


def nothing_is_done(client: TestClient, engine: Engine, user: SignedUser) -> None:
    assert client.get("/api/orders/", headers=user.headers).json()["count"] == 0
    with Session(engine) as session:
        intent = session.scalars(select(Order).where(Order.user_id == user.id)).one()
        assert (intent.placement, intent.lines) == (Placement.PENDING, [])
        assert session.scalars(select(outbox.c.type).where(outbox.c.subject == str(intent.id))).all() == []


def one_order(client: TestClient, engine: Engine, user: SignedUser, shelves: Shelves, answer: Any) -> None:
    assert answer.status_code == 201, answer.text
    (shown,) = client.get("/api/orders/", headers=user.headers).json()["results"]
    assert shown == answer.json()
    assert list(shelves.holds) == [shown["id"]]
    assert shelves.stock[1] == 98
    with Session(engine) as session:
        assert session.scalars(select(Order.placement).where(Order.user_id == user.id)).all() == [Placement.PLACED]
        said = session.scalars(select(outbox.c.type).where(outbox.c.subject == shown["id"])).all()
    assert said == ["order.placed"]


@pytest.fixture
def hasty(settings: OrdersSettings) -> Iterator[TestClient]:
    """Orders that does not wait long for its sisters."""
    impatient = settings.model_copy(update={"catalog_timeout_s": 0.2, "cart_timeout_s": 0.2})
    with TestClient(build(impatient), raise_server_exceptions=False) as client:
        yield client


def test_a_catalog_that_holds_but_answers_too_late_is_asked_again_and_holds_once(
    client: TestClient, hasty: TestClient, catalog: FakeSister, shelves: Shelves, engine: Engine, ada: SignedUser
) -> None:
    awake, held = Event(), catalog.answers[("POST", RESERVE)]

    def late(path: str, body: Any) -> tuple[int, Any]:
        answer = held(path, body)
        awake.wait(30)
        return answer

    catalog.answer("POST", RESERVE, late)
    key = str(uuid4())
    refused(order(hasty, ada, key))
    nothing_is_done(hasty, engine, ada)
    assert shelves.stock[1] == 98, "the hold is there all the same"
    awake.set()
    one_order(client, engine, ada, shelves, order(client, ada, key))


def test_a_cart_that_answers_too_late_is_a_503_and_the_key_is_free(
    client: TestClient, hasty: TestClient, cart: FakeSister, shelves: Shelves, engine: Engine, ada: SignedUser
) -> None:
    awake = Event()

    def late(*_: Any) -> tuple[int, Any]:
        awake.wait(30)
        return 200, ONE

    cart.answer("GET", "/internal/carts/", late)
    key = str(uuid4())
    refused(order(hasty, ada, key, {}), "cart_unavailable")
    awake.set()
    one_order(client, engine, ada, shelves, order(client, ada, key, {}))


@pytest.mark.parametrize(
    "said",
    [
        {"lines": []},
        {"lines": [LINE | {"quantity": 1}]},
        {"lines": [LINE | {"product_id": 2}]},
        {"lines": [LINE, LINE | {"product_id": 2}]},
        {"lines": [LINE | {"price": "-1.00"}]},
        {"lines": [LINE | {"price": "2.505"}]},
        {"lines": [LINE | {"price": "123456789.00"}]},
        {"lines": [LINE | {"price": "NaN"}]},
        {"lines": [LINE | {"name": "x" * 256}]},
        {"lines": [LINE | {"sku": "x" * 65}]},
        {"outcome": "maybe"},
        {"order_id": "7"},
        {"order_id": "01900000-0000-7000-8000-000000000000"},
    ],
)
def test_an_answer_of_catalog_that_makes_no_sense_is_no_answer(
    client: TestClient, catalog: FakeSister, engine: Engine, ada: SignedUser, said: dict[str, Any]
) -> None:
    def mad(_: str, body: Any) -> tuple[int, Any]:
        (wish,) = body["reservations"]
        return 200, {
            "results": [{"order_id": wish["order_id"], "outcome": "held", "lines": [LINE], "items": []} | said]
        }

    catalog.answer("POST", RESERVE, mad)
    key = str(uuid4())
    refused(order(client, ada, key))
    nothing_is_done(client, engine, ada)
    shelves = Shelves(catalog)
    shelves.stock = {1: 100}
    one_order(client, engine, ada, shelves, order(client, ada, key))


@pytest.mark.parametrize(
    "said",
    [
        (404, {}),
        (200, {}),
        (200, []),
        (200, {"items": [{"product_id": 1}]}),
        (200, {"items": [{"product_id": 1, "quantity": 0}]}),
        (200, {"items": [{"product_id": -1, "quantity": 1}]}),
    ],
)
def test_an_answer_of_the_cart_that_makes_no_sense_is_no_answer(
    client: TestClient, cart: FakeSister, shelves: Shelves, ada: SignedUser, said: tuple[int, Any]
) -> None:
    cart.answer("GET", "/internal/carts/", lambda *_: said)
    refused(order(client, ada, str(uuid4()), {}), "cart_unavailable")
    assert shelves.calls == 0


@pytest.fixture
def rival(engine: Engine) -> Iterator[Session]:
    """Another transaction, which the test leads by hand."""
    with Session(engine) as session:
        yield session
        session.rollback()


def test_a_deadlock_while_an_order_is_committed_never_reaches_the_buyer(
    client: TestClient,
    catalog: FakeSister,
    shelves: Shelves,
    engine: Engine,
    rival: Session,
    ada: SignedUser,
    bob: SignedUser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rival, who has written more and is spared for it, takes the key while stock is held, and wants the order."""
    for _ in range(5):
        order(client, bob, str(uuid4()))
    shelves.stock, held = {1: 100}, catalog.answers[("POST", RESERVE)]
    shelves.holds.clear()

    def cross(path: str, body: Any) -> tuple[int, Any]:
        rival.execute(update(Order).where(Order.user_id == bob.id).values(note="held"))
        rival.execute(select(idempotency_keys.c.scope).with_for_update()).all()
        return held(path, body)

    catalog.answer("POST", RESERVE, cross)
    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(order, client, ada, str(uuid4()))
        eventually(lambda: waits(engine))
        rival.execute(select(Order.id).where(Order.user_id == ada.id).with_for_update()).all()
        rival.commit()
        answer = placing.result()
    assert "(1213," in caplog.text, "there must have been one"
    one_order(client, engine, ada, shelves, answer)


def test_an_order_that_the_database_cannot_take_leaves_nothing_and_the_key_finishes_it_later(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser
) -> None:
    key = str(uuid4())
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER no_lines BEFORE INSERT ON order_lines FOR EACH ROW "
                "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'deadlock'"
            )
        )
    try:
        lost = order(client, ada, key)
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TRIGGER no_lines"))
    refused(lost, "unavailable")
    nothing_is_done(client, engine, ada)
    one_order(client, engine, ada, shelves, order(client, ada, key))


def test_a_key_that_was_only_just_dropped_is_as_good_as_new(
    client: TestClient,
    cart: FakeSister,
    shelves: Shelves,
    engine: Engine,
    ada: SignedUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was known when the request came and past its keeping time a moment later; the cart has not been read."""
    cart.answer("GET", "/internal/carts/", lambda *_: (200, ONE))
    key = str(uuid4())
    with monkeypatch.context() as just_then:
        just_then.setattr(wishing, "known", lambda *_: True)
        refused(order(client, ada, key, {}), "unavailable")
    with Session(engine) as session:
        assert not known(session, new_claim(key, str(ada.id), "POST /api/orders/", {"note": ""}))
    one_order(client, engine, ada, shelves, order(client, ada, key, {}))
