"""Rebuilds that do not come to their end, and what those leave behind that do."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from common.database import Sessions
from common.errors import Conflict, Unavailable
from common.ids import new_id
from common.testing.signing import Signer
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually
from realtime import rebuilding
from realtime.clients import Orders
from realtime.models import COUNTS, CountedOrder, Heard, OrderState, Stream
from realtime.rebuilding import forget_rebuilds, rebuild_counts
from realtime.usecases import Turn

from .bookkeeping import Books
from .purchase import Purchase

pytestmark = pytest.mark.usefixtures("store")


def _sold(client: TestClient, product: int) -> int:
    sold: int = client.get(f"/api/realtime/products/?ids={product}").json()["data"][0]["sold_count"]
    return sold


def _under_way(sessions: Sessions) -> UUID | None:
    """The generation for which batches put aside what they hear."""
    with sessions.begin() as session:
        return session.scalar(select(Stream.rebuild).where(Stream.id == COUNTS))


def _fail(*_: object) -> tuple[int, Any]:
    return 500, {}


def test_a_step_is_told_though_a_rebuild_that_failed_has_read_of_it_before(
    client: TestClient, sessions: Sessions, books: Books, orders: Orders, sister: FakeSister, signer: Signer
) -> None:
    ada = signer.user()
    first, *_ = [books.place(Purchase(ada.id)) for _ in range(3)]
    books.after_page = lambda _: sister.answer("GET", "/internal/orders/", _fail)
    with client.websocket_connect("/ws/orders/", headers=ada.headers) as socket:
        socket.receive_json()
        with pytest.raises(Unavailable):
            rebuild_counts(sessions, orders)
        books.say()
        assert socket.receive_json()["order_id"] == str(first.id)


def test_where_orders_stand_is_not_set_back_by_a_page_that_was_read_before(
    client: TestClient, sessions: Sessions, books: Books, orders: Orders, signer: Signer
) -> None:
    ada = signer.user()
    order = books.place(Purchase(ada.id))

    def move(_: UUID | None) -> None:
        books.after_page = lambda _: None
        books.move(order, "processing")  # the answer, which does not know of it, is still on its way
        with client.websocket_connect("/ws/orders/", headers=ada.headers) as socket:
            socket.receive_json()
            books.say()
            while socket.receive_json()["status"] != "processing":
                pass

    books.after_page = move
    rebuild_counts(sessions, orders)
    with sessions.begin() as session:
        assert session.get_one(OrderState, order.id).status == "processing"


def test_nothing_is_put_aside_any_more_for_a_rebuild_that_failed(
    sessions: Sessions, books: Books, orders: Orders, sister: FakeSister
) -> None:
    books.place(Purchase(new_id()))
    under_way: list[UUID | None] = []

    def look(_: UUID | None) -> None:
        under_way.append(_under_way(sessions))
        sister.answer("GET", "/internal/orders/", _fail)

    books.after_page = look
    with pytest.raises(Unavailable):
        rebuild_counts(sessions, orders)
    assert under_way[0] is not None
    assert _under_way(sessions) is None


def test_a_rebuild_that_failed_does_not_end_the_one_that_began_after_it(
    sessions: Sessions, books: Books, orders: Orders
) -> None:
    books.place(Purchase(new_id()))
    begun: list[UUID] = []
    books.after_page = lambda _: begun.append(rebuilding._begin(sessions))
    with pytest.raises(Conflict):
        rebuild_counts(sessions, orders)
    assert [_under_way(sessions)] == begun


def test_the_rebuild_that_began_last_is_the_one_that_counts(
    client: TestClient, sessions: Sessions, books: Books, orders: Orders, product: int
) -> None:
    books.place(Purchase(new_id(), {product: 1}))
    rest = iter([lambda: rebuild_counts(sessions, orders)])
    books.before_page = lambda _: next(rest, lambda: 0)()
    with pytest.raises(Conflict):
        rebuild_counts(sessions, orders)
    eventually(lambda: _sold(client, product) == 1)


def test_what_rebuilds_leave_behind_is_dropped_when_it_is_of_no_use(
    sessions: Sessions, books: Books, orders: Orders, product: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left() -> tuple[int, ...]:
        with sessions.begin() as session:
            return tuple(len(session.execute(select(it.generation)).all()) for it in (CountedOrder, Heard))

    books.place(Purchase(new_id(), {product: 1}))
    for _ in range(2):
        rebuild_counts(sessions, orders)
    forget_rebuilds(sessions)
    assert left() == (1, 0)
    monkeypatch.setattr(rebuilding, "KEPT", timedelta(0))
    forget_rebuilds(sessions)
    assert left() == (0, 0)


def test_a_rebuild_that_begins_while_what_others_left_is_dropped_keeps_what_it_counted(
    sessions: Sessions, books: Books, orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = books.place(Purchase(new_id()))
    let_go = rebuilding._let_go

    def rebuild_behind(sessions: Sessions) -> Turn:
        turn = let_go(sessions)
        rebuild_counts(sessions, orders)
        return turn

    monkeypatch.setattr(rebuilding, "_let_go", rebuild_behind)
    forget_rebuilds(sessions)
    with sessions.begin() as session:
        present = session.scalar(select(Stream.counted).where(Stream.id == COUNTS))
        assert session.scalars(select(CountedOrder.order_id).where(CountedOrder.generation == present)).all() == [
            order.id
        ]


def test_a_rebuild_that_has_died_is_given_up(
    sessions: Sessions, books: Books, orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: UUID | None) -> None:
        forget_rebuilds(sessions)
        with sessions.begin() as session:
            assert session.scalar(select(Stream.rebuild).where(Stream.id == COUNTS)) is not None
        monkeypatch.setattr(rebuilding, "GIVEN_UP_AFTER", timedelta(0))
        forget_rebuilds(sessions)

    books.before_page = die
    with pytest.raises(Conflict):
        rebuild_counts(sessions, orders)
