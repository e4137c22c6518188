"""Reservations held against orders: whatever does not fit is named, with the order that it is about."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from catalog.checking import see_books, see_reservations, see_sold
from catalog.clients import Order, Orders
from catalog.commands import main
from catalog.models import COMMITTED, reservation_lines, reservations
from catalog.settling import settle
from common import side_by_side
from common.checking import Finding
from common.clock import now
from common.database import Sessions
from common.ids import new_id

from .test_reconciling import with_wrong
from .test_settling import cancelled, placed


class Told(Orders):
    """Orders as a test has them: those that are known here already, and its own."""

    def __init__(self, known: list[Order]) -> None:
        self.orders = {order.id: order for order in known}
        self.late: list[Order] = []
        """Orders that are placed only after the first look."""

    def page(self, after: UUID | None, limit: int) -> list[Order]:
        """The next ones."""
        told = [order for _, order in sorted(self.orders.items()) if after is None or order.id > after][:limit]
        self.orders |= {order.id: order for order in self.late}
        return told


def order(order_id: UUID, lines: dict[int, int], status: str = "pending") -> Order:
    listed = [{"product_id": product, "quantity": quantity} for product, quantity in lines.items()]
    return Order.model_validate({"id": order_id, "number": "SO-1", "status": status, "lines": listed})


@pytest.fixture
def told(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Orders who knows all that other tests have sold, in pages of a few hundred."""
    monkeypatch.setattr(side_by_side, "PAGE", 200)
    both = select(reservations.c.order_id, reservation_lines.c.product_id, reservation_lines.c.quantity)
    sold = both.join(reservation_lines, reservation_lines.c.order_id == reservations.c.order_id)
    lines: dict[UUID, dict[int, int]] = {}
    with sessions.begin() as session:
        for row in session.execute(sold.where(reservations.c.state == COMMITTED)):
            lines.setdefault(row.order_id, {})[row.product_id] = row.quantity
    return Told([order(order_id, quantities) for order_id, quantities in lines.items()])


@pytest.fixture
def trade(shop: Any, sessions: Sessions, told: Told) -> Callable[..., UUID]:
    """Makes an order of three pieces, and says what becomes of it."""

    def make(fate: str = "pending") -> UUID:
        order_id, lines = new_id(), {shop.add(stock=9)["id"]: 3}
        shop.hold(shop.wish(lines, order_id))
        with sessions.begin() as session:
            settle(session, [placed(order_id, lines)], "EUR")
            if fate == "cancelled":
                settle(session, [cancelled(order_id, lines)], "EUR")
        told.orders[order_id] = order(order_id, lines, fate)
        return order_id

    return make


def faults(sessions: Sessions, told: Told, patience_s: float = 0) -> Callable[[UUID], list[str]]:
    wrong = see_reservations(sessions, told, patience_s).wrong
    return lambda order_id: [sentence for sentence in wrong if str(order_id) in sentence]


@contextmanager
def altered(sessions: Sessions, order_id: UUID, **values: Any) -> Iterator[None]:
    with sessions.begin() as session:
        mine = reservations.c.order_id == order_id
        was = session.execute(select(*(reservations.c[name] for name in values)).where(mine)).one()._mapping
        session.execute(update(reservations).where(mine).values(values))
    yield
    with sessions.begin() as session:
        session.execute(update(reservations).where(mine).values(dict(was)))


def test_each_fault_between_orders_and_reservations_is_named(
    sessions: Sessions, told: Told, trade: Callable[..., UUID]
) -> None:
    well, ended, missing, longer, stranger = trade(), trade("cancelled"), trade(), trade(), trade()
    assert [faults(sessions, told)(each) for each in (well, ended, missing, longer, stranger)] == [[]] * 5
    (line,) = told.orders[longer].lines
    line.quantity = 4
    del told.orders[stranger]
    with (
        altered(sessions, missing, state="released"),
        altered(sessions, ended, state="committed"),
        altered(sessions, well, state="held"),
    ):
        named = faults(sessions, told)
    assert [len(named(each)) for each in (well, ended, missing, longer, stranger)] == [1] * 5
    assert "only held" in named(well)[0]
    assert "is cancelled, and 3 × product" in named(ended)[0]
    assert "nothing is sold for it" in named(missing)[0]
    assert "has pieces 4 × product" in named(longer)[0]
    assert "orders knows no such order" in named(stranger)[0]


def test_a_hold_without_an_order_is_a_fault_only_once_it_should_have_been_swept(
    shop: Any, sessions: Sessions, told: Told
) -> None:
    order_id = new_id()
    shop.hold(shop.wish({shop.add(stock=9)["id"]: 3}, order_id))
    assert faults(sessions, told)(order_id) == []
    with altered(sessions, order_id, expires_at=now() - timedelta(minutes=5), asked_at=now()):
        assert "for no order" in faults(sessions, told)(order_id)[0]


def test_what_is_only_on_its_way_is_no_fault(sessions: Sessions, told: Told, trade: Callable[..., UUID]) -> None:
    told.late.append(told.orders.pop(trade()))
    assert faults(sessions, told, patience_s=5)(told.late[0].id) == []


def test_a_count_that_is_not_the_sum_of_its_lines_is_named(
    sessions: Sessions, told: Told, trade: Callable[..., UUID]
) -> None:
    order_id = trade()
    (line,) = told.orders[order_id].lines
    assert see_sold(sessions).wrong == []
    with with_wrong(sessions, line.product_id, sold=2):
        assert list(see_sold(sessions).wrong) == [f"product {line.product_id}: sold is 5, its lines are 3"]
        assert [f"product {line.product_id} " in sentence for sentence in see_books(sessions).wrong] == [True]


def test_the_command_tells_all_its_findings(
    told: Told, orders: Any, capsys: pytest.CaptureFixture[str], sessions: Sessions
) -> None:
    def page(path: str, _: Any) -> tuple[int, Any]:
        after = UUID(path.split("after=")[1]) if "after=" in path else None
        return 200, {"orders": [each.model_dump(mode="json") for each in told.page(after, 500)]}

    orders.answer("GET", "/internal/orders/", page)
    try:
        main(["check", "--patience", "0"])
    finally:
        del orders.answers["GET", "/internal/orders/"]
    found = [Finding.model_validate_json(line) for line in capsys.readouterr().out.splitlines() if "compared" in line]
    states = {each.compared: each.state for each in found}
    assert list(states) == [
        "stock, holds, sales = ledger",
        "sold = sum of sold lines",
        "each order's lines are sold once",
        "schema at its newest revision",
        "outbox",
        "queues",
        "dead letters",
    ]
    assert [states[name] for name in ("sold = sum of sold lines", "schema at its newest revision")] == ["well"] * 2
