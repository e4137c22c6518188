"""The rules that an order keeps, without any server."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest
from pydantic import ValidationError

from common.errors import Conflict
from common.ids import new_id
from orders.models import ALPHABET, MOVES, Order, OrderLine, Status, order_number
from orders.schemas import MOST_LINES, MOST_PIECES, OrdersQuery
from orders.wishing import merge

pytestmark = pytest.mark.unit

LEGAL = {
    (Status.PENDING, Status.PROCESSING),
    (Status.PENDING, Status.CANCELLED),
    (Status.PROCESSING, Status.SHIPPED),
    (Status.PROCESSING, Status.CANCELLED),
    (Status.SHIPPED, Status.DELIVERED),
}


def an_order(status: Status) -> Order:
    line = OrderLine(position=1, product_id=1, sku="A", name="Jug", quantity=2, price=Decimal("2.50"))
    return Order(id=new_id(), status=status, version=1, lines=[line])


@pytest.mark.parametrize(("current", "wanted"), list(product(Status, Status)))
def test_an_order_takes_exactly_the_steps_that_there_are(current: Status, wanted: Status) -> None:
    order = an_order(current)
    if current is wanted:
        assert not order.move_to(wanted)
        assert order.version == 1
    elif (current, wanted) in LEGAL:
        assert order.move_to(wanted)
        assert (order.status, order.version) == (wanted, 2)
    else:
        with pytest.raises(Conflict) as refusal:
            order.move_to(wanted)
        assert refusal.value.extra["allowed"] == list(MOVES[current])
        assert (order.status, order.version) == (current, 1)


@pytest.mark.parametrize(
    ("status", "by_owner", "until", "allowed"),
    [
        (Status.PENDING, True, Status.PENDING, True),
        (Status.PROCESSING, True, Status.PENDING, False),
        (Status.PROCESSING, True, Status.PROCESSING, True),
        (Status.PROCESSING, False, Status.PENDING, True),
        (Status.SHIPPED, False, Status.PENDING, False),
        (Status.DELIVERED, True, Status.PROCESSING, False),
    ],
)
def test_who_may_cancel_until_when(status: Status, by_owner: bool, until: Status, allowed: bool) -> None:
    order = an_order(status)
    if allowed:
        assert order.cancel(by_owner=by_owner, owner_until=until)
        assert not order.cancel(by_owner=by_owner, owner_until=until), "a repeat changes nothing"
    else:
        with pytest.raises(Conflict, match="can no longer be cancelled"):
            order.cancel(by_owner=by_owner, owner_until=until)


def test_numbers_can_be_read_out_and_differ_though_made_at_once() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    numbers = {order_number(new_id(), moment) for _ in range(5000)}
    assert len(numbers) == 5000
    for number in numbers:
        day, *letters = number.split("-")
        assert day == "261122"
        assert set("".join(letters)) <= set(ALPHABET)
        assert [len(part) for part in letters] == [6, 6]


def test_lines_are_summed_and_sorted_by_product() -> None:
    lines = [{"product_id": p, "quantity": q} for p, q in ((9, 1), (2, 3), (9, 4))]
    assert merge(lines) == [{"product_id": 2, "quantity": 3}, {"product_id": 9, "quantity": 5}]


def test_an_order_has_limits() -> None:
    with pytest.raises(Conflict) as pieces:
        merge([{"product_id": 1, "quantity": MOST_PIECES}, {"product_id": 1, "quantity": 1}])
    assert pieces.value.problem_code == "quantity_limit"
    with pytest.raises(Conflict) as lines:
        merge([{"product_id": p, "quantity": 1} for p in range(1, MOST_LINES + 2)])
    assert lines.value.problem_code == "order_full"


@pytest.mark.parametrize("number", ["0", "0.5", "-1", "1e9", "1764030000", " 7 "])
def test_a_bare_number_is_no_time(number: str) -> None:
    with pytest.raises(ValidationError, match="ISO 8601"):
        OrdersQuery.model_validate({"created_from": number})


def test_a_time_without_a_zone_is_in_utc() -> None:
    query = OrdersQuery.model_validate(
        {"created_from": "2026-11-22T10:30:00", "created_to": "2026-11-22T12:30:00+02:00"}
    )
    assert query.created_from == datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    assert query.created_to == datetime(2026, 11, 22, 10, 30, 0, 999, tzinfo=UTC)
