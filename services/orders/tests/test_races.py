"""Moves that come at once: exactly one of them happens, and exactly one event says so."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from common.idempotency import idempotency_keys
from common.outbox import outbox
from common.testing.signing import SignedUser
from common.testing.waiting import eventually
from orders import moving
from orders.models import Order, OrderMove

from .conftest import Shelves

MANY = 500
ONE = {"items": [{"product_id": 1, "quantity": 1}]}


@pytest.fixture
def orders(client: TestClient, shelves: Shelves, ada: SignedUser) -> list[str]:
    """Many orders that have just come in."""
    shelves.stock = {1: MANY}
    with ThreadPoolExecutor(16) as pool:
        placed = pool.map(
            lambda _: client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"], range(MANY)
        )
        return list(placed)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each comes to, all begun at one moment."""
    start = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def said(engine: Engine, subjects: Sequence[str]) -> dict[str, list[tuple[int, str]]]:
    """Sequence and type of what was said about each order, in order."""
    with Session(engine) as session:
        rows = session.execute(
            select(outbox.c.subject, outbox.c.sequence, outbox.c.type)
            .where(outbox.c.subject.in_(subjects))
            .order_by(outbox.c.sequence)
        )
        found: dict[str, list[tuple[int, str]]] = {}
        for row in rows:
            found.setdefault(row.subject, []).append((row.sequence, row.type))
        return found


def test_of_cancel_and_ship_exactly_one_wins_each_time(
    client: TestClient, orders: list[str], engine: Engine, admin: SignedUser
) -> None:
    """Both are legal for an order that is processed; 500 orders, both at one moment, two at a time."""

    def process(order_id: str) -> None:
        assert client.put(f"/api/orders/{order_id}/", json={"status": "processing"}, headers=admin.headers).is_success

    def race(order_id: str) -> tuple[int, int]:
        path = f"/api/orders/{order_id}/"
        cancelled, shipped = at_once(
            lambda: client.delete(path, headers=admin.headers),
            lambda: client.put(path, json={"status": "shipped"}, headers=admin.headers),
        )
        return cancelled.status_code, shipped.status_code

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(process, orders))
        outcomes = dict(zip(orders, pool.map(race, orders), strict=True))

    assert set(Counter(outcomes.values())) <= {(200, 409), (409, 200)}
    events = said(engine, orders)
    with Session(engine) as session:
        for order_id, outcome in outcomes.items():
            won = "order.cancelled" if outcome == (200, 409) else "order.status_changed"
            assert events[order_id] == [(1, "order.placed"), (2, "order.status_changed"), (3, won)]
        rows = session.execute(select(Order.id, Order.status).where(Order.id.in_(map(UUID, orders))))
        ends = {str(row.id): row.status for row in rows}
        steps = Counter(session.scalars(select(OrderMove.order_id).where(OrderMove.order_id.in_(map(UUID, orders)))))
    assert ends == {
        order_id: "cancelled" if outcome == (200, 409) else "shipped" for order_id, outcome in outcomes.items()
    }
    assert set(steps.values()) == {3}


def test_of_many_owners_windows_one_cancels_and_all_see_it_cancelled(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser
) -> None:
    placed = client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"]
    path = f"/api/orders/{placed}/"
    answers = at_once(*[lambda: client.delete(path, headers=ada.headers)] * 12)
    assert {(answer.status_code, answer.json()["status"], answer.json()["version"]) for answer in answers} == {
        (200, "cancelled", 2)
    }
    assert said(engine, [placed])[placed] == [(1, "order.placed"), (2, "order.cancelled")]


def test_one_key_cancels_once_however_often_it_is_sent_at_once(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser
) -> None:
    placed = client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"]
    headers = ada.headers | {"Idempotency-Key": placed}
    answers = at_once(*[lambda: client.post(f"/api/orders/{placed}/cancel/", headers=headers)] * 12)
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"idempotency_in_progress"}
    assert said(engine, [placed])[placed] == [(1, "order.placed"), (2, "order.cancelled")]


def test_of_many_who_have_seen_one_version_one_acts_on_it(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser, admin: SignedUser
) -> None:
    placed = client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"]
    headers = admin.headers | {"If-Match": '"1"'}

    def track(n: int) -> Callable[[], Any]:
        body = {"status": "pending", "tracking": f"T-{n}"}
        return lambda: client.patch(f"/api/orders/{placed}/", json=body, headers=headers)

    answers = at_once(*map(track, range(12)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 11}
    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert client.get(f"/api/orders/{placed}/", headers=ada.headers).json() == winner
    assert said(engine, [placed])[placed] == [(1, "order.placed"), (2, "order.status_changed")]


def test_of_changes_that_come_in_a_crowd_none_skips_a_version_and_what_loses_too_often_may_come_again(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser, admin: SignedUser
) -> None:
    placed = client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"]

    def track(n: int) -> Callable[[], Any]:
        body = {"status": "pending", "tracking": f"T-{n}"}
        return lambda: client.patch(f"/api/orders/{placed}/", json=body, headers=admin.headers)

    answers = at_once(*map(track, range(24)))
    done = sorted(answer.json()["version"] for answer in answers if answer.status_code == 200)
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert done == list(range(2, 2 + len(done)))
    assert [sequence for sequence, _ in said(engine, [placed])[placed]] == list(range(1, 2 + len(done)))


def test_a_move_that_always_loses_is_a_503_and_leaves_nothing(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"]
    headers = ada.headers | {"Idempotency-Key": placed}
    with monkeypatch.context() as always:
        always.setattr(moving, "affected", lambda _: 0)
        lost = client.post(f"/api/orders/{placed}/cancel/", headers=headers)
        assert (lost.status_code, lost.headers["retry-after"]) == (503, "2")
    assert said(engine, [placed])[placed] == [(1, "order.placed")]
    again = client.post(f"/api/orders/{placed}/cancel/", headers=headers)
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (200, None)


@pytest.fixture
def rival(engine: Engine) -> Iterator[Session]:
    """Another transaction, which the test leads by hand."""
    with Session(engine) as session:
        yield session
        session.rollback()


def waits(engine: Engine, number: int = 1) -> bool:
    """Whether so many transactions wait for a row lock now."""
    with engine.connect() as connection:
        shown = connection.execute(text("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")).one()
        return int(shown[1]) == number


def test_a_deadlock_never_reaches_a_client(
    client: TestClient,
    shelves: Shelves,
    engine: Engine,
    rival: Session,
    ada: SignedUser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rival, who has written more and is therefore spared, holds the order and wants the key of who wants it."""
    heavy = [client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"] for _ in range(5)]
    placed = client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"]
    rival.execute(update(Order).where(Order.id.in_(map(UUID, [*heavy, placed]))).values(note="held"))
    with ThreadPoolExecutor(1) as pool:
        headers = ada.headers | {"Idempotency-Key": placed}
        cancelling = pool.submit(client.post, f"/api/orders/{placed}/cancel/", headers=headers)
        eventually(lambda: waits(engine))
        rival.execute(select(idempotency_keys.c.scope).with_for_update()).all()
        rival.commit()
        answer = cancelling.result()
    assert "(1213," in caplog.text, "there must have been one"
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert said(engine, [placed])[placed] == [(1, "order.placed"), (2, "order.cancelled")]


def test_a_lock_that_is_held_too_long_is_waited_for_again(
    client: TestClient, shelves: Shelves, engine: Engine, rival: Session, ada: SignedUser
) -> None:
    placed = client.post("/api/orders/", json=ONE, headers=ada.headers).json()["id"]
    rival.execute(update(Order).where(Order.id == UUID(placed)).values(note="held"))
    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(client.delete, f"/api/orders/{placed}/", headers=ada.headers)
        eventually(lambda: waits(engine))
        eventually(lambda: waits(engine, 0))
        eventually(lambda: waits(engine))
        rival.commit()
        answer = cancelling.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
