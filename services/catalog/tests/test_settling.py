"""What becomes of holds when orders speaks: told through the real broker, each event three times."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import permutations
from random import Random
from typing import Any
from uuid import UUID

import pytest

from catalog.models import Reservation
from catalog.settling import TooEarly, settle
from common.broker import dead_letter_name
from common.clock import now
from common.database import Sessions
from common.events.orders import OrderCancelled, OrderEvent, OrderPlaced
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.waiting import eventually


def _body(order_id: UUID, lines: dict[int, int]) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "version": 1,
        "number": "SO-1",
        "user_id": new_id(),
        "total": Decimal("3.39"),
        "currency": "EUR",
        "lines": [
            {"product_id": p, "sku": None, "name": "L", "quantity": q, "price": "3.39"} for p, q in lines.items()
        ],
        "at": now(),
    }


def placed(order_id: UUID, lines: dict[int, int]) -> OrderPlaced:
    """The order is placed."""
    return OrderPlaced(**_body(order_id, lines))


def cancelled(
    order_id: UUID, lines: dict[int, int], *, restock: bool = True, was_placed: bool = True
) -> OrderCancelled:
    """The order is cancelled."""
    more = {"previous": "pending", "reason": "customer", "restock": restock, "was_placed": was_placed}
    return OrderCancelled(**_body(order_id, lines), **more)


def state(shop: Any, order_id: UUID) -> str | None:
    """The reservation's state, None when there is none."""
    with shop.sessions.begin() as session:
        found = session.get(Reservation, order_id)
        return None if found is None else found.state


def tell(shop: Any, broker: Broker, event: OrderEvent, expected: str) -> None:
    """Say it three times, and wait until it has been heard."""
    broker.tell(event, times=3)
    eventually(lambda: state(shop, event.order_id) == expected)


@pytest.fixture
def product(shop: Any) -> int:
    """Ten pieces of something."""
    product_id: int = shop.add(stock=10)["id"]
    return product_id


@pytest.fixture
def held(shop: Any, product: int) -> UUID:
    """An order that holds four of them."""
    order_id = new_id()
    shop.hold(shop.wish({product: 4}, order_id))
    return order_id


def test_a_placed_order_takes_its_pieces_once(shop: Any, broker: Broker, product: int, held: UUID) -> None:
    tell(shop, broker, placed(held, {product: 4}), "committed")

    assert shop.counters(product) == (6, 0, 4)
    assert shop.ledger(product) == [(10, "set"), (-4, "sold")]


def test_a_cancelled_order_gives_them_back_once(shop: Any, broker: Broker, product: int, held: UUID) -> None:
    tell(shop, broker, placed(held, {product: 4}), "committed")
    tell(shop, broker, cancelled(held, {product: 4}), "released")

    assert shop.counters(product) == (10, 0, 0)
    assert shop.ledger(product) == [(10, "set"), (-4, "sold"), (4, "cancelled")]


def test_cancelled_heard_before_placed_comes_to_the_same(shop: Any, broker: Broker, product: int, held: UUID) -> None:
    tell(shop, broker, cancelled(held, {product: 4}), "released")
    tell(shop, broker, placed(held, {product: 4}), "released")
    mark = new_id()
    tell(shop, broker, cancelled(mark, {product: 1}, was_placed=False), "released")

    assert shop.counters(product) == (10, 0, 0)
    assert shop.ledger(product) == [(10, "set"), (-4, "sold"), (4, "cancelled")]


def test_without_restocking_the_sale_is_taken_back_and_the_goods_are_lost(
    shop: Any, broker: Broker, product: int, held: UUID
) -> None:
    tell(shop, broker, placed(held, {product: 4}), "committed")
    tell(shop, broker, cancelled(held, {product: 4}, restock=False), "released")

    assert shop.counters(product) == (6, 0, 0)
    assert shop.ledger(product) == [(10, "set"), (-4, "sold"), (4, "cancelled"), (-4, "lost")]


def test_without_restocking_the_order_of_arrival_does_not_matter(
    shop: Any, broker: Broker, product: int, held: UUID
) -> None:
    tell(shop, broker, cancelled(held, {product: 4}, restock=False), "released")
    tell(shop, broker, placed(held, {product: 4}), "released")

    assert shop.counters(product) == (6, 0, 0)
    assert shop.ledger(product) == [(10, "set"), (-4, "sold"), (4, "cancelled"), (-4, "lost")]


def test_an_order_that_was_given_up_frees_its_hold(shop: Any, broker: Broker, product: int, held: UUID) -> None:
    tell(shop, broker, cancelled(held, {product: 4}, was_placed=False, restock=False), "released")

    assert shop.counters(product) == (10, 0, 0)
    assert shop.ledger(product) == [(10, "set")]


def test_a_hold_that_comes_after_the_cancellation_is_refused(shop: Any, broker: Broker, product: int) -> None:
    order_id = new_id()
    tell(shop, broker, cancelled(order_id, {product: 4}, was_placed=False), "released")

    (result,) = shop.hold(shop.wish({product: 4}, order_id))

    assert (result["outcome"], result["lines"]) == ("released", [])
    assert shop.counters(product) == (10, 0, 0)


def test_a_hold_repeated_after_the_sale_gets_its_first_answer(
    shop: Any, broker: Broker, product: int, held: UUID
) -> None:
    tell(shop, broker, placed(held, {product: 4}), "committed")

    (result,) = shop.hold(shop.wish({product: 4}, held))

    assert result["outcome"] == "held"
    assert shop.counters(product) == (6, 0, 4)


def test_a_hold_repeated_after_the_release_is_refused(shop: Any, broker: Broker, product: int, held: UUID) -> None:
    tell(shop, broker, cancelled(held, {product: 4}), "released")

    assert shop.hold(shop.wish({product: 4}, held))[0]["outcome"] == "released"


def test_a_restock_that_shows_otherwise_is_said(shop: Any, broker: Broker, held: UUID, product: int) -> None:
    shop.hold(shop.wish({product: 6}))
    tap = shop.tap("product.updated")
    tell(shop, broker, cancelled(held, {product: 4}), "released")

    (said,) = broker.take(tap, 1)

    assert (said["data"]["product_id"], said["data"]["availability"]) == (product, "low_stock")
    assert said["sequence"] == said["data"]["version"] == 4


# A batch


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_any_order_within_a_batch_comes_to_the_same(
    shop: Any, sessions: Sessions, product: int, order: tuple[int, ...]
) -> None:
    one, two = new_id(), new_id()
    shop.hold(shop.wish({product: 1}, one), shop.wish({product: 2}, two))
    events = [
        placed(one, {product: 1}),
        placed(two, {product: 2}),
        cancelled(one, {product: 1}),
        placed(two, {product: 2}),
    ]

    with sessions.begin() as session:
        settle(session, [events[n] for n in order], "EUR")

    assert shop.counters(product) == (8, 0, 2)


def test_many_orders_of_many_products_are_settled_together(shop: Any, broker: Broker) -> None:
    products = [shop.add(stock=100)["id"] for _ in range(5)]
    wishes = [shop.wish(dict.fromkeys(products, n)) for n in range(1, 6)]
    shop.hold(*wishes)
    ids = [UUID(wish["order_id"]) for wish in wishes]
    for n, order_id in enumerate(ids, 1):
        broker.tell(placed(order_id, dict.fromkeys(products, n)), times=2)

    eventually(lambda: {state(shop, order_id) for order_id in ids} == {"committed"})

    assert {shop.counters(product) for product in products} == {(85, 0, 15)}


# The race


def test_a_crowd_of_orders_that_come_and_go_leaves_the_stock_as_it_was(
    shop: Any, sessions: Sessions, deadlocks: list[Any]
) -> None:
    products = [shop.add(stock=1000)["id"] for _ in range(8)]
    dice = Random(9)
    orders = [(new_id(), dict.fromkeys(dice.sample(products, 3), 2)) for _ in range(60)]

    def come_and_go(order: tuple[UUID, dict[int, int]]) -> str:
        outcome: str = shop.hold(shop.wish(order[1], order[0]))[0]["outcome"]
        for events in ([placed(*order)], [cancelled(*order), placed(*order)]):
            with sessions.begin() as session:
                settle(session, events, "EUR")
        return outcome

    with ThreadPoolExecutor(12) as crowd:
        outcomes = set(crowd.map(come_and_go, orders))

    assert outcomes == {"held"}
    assert {shop.counters(product) for product in products} == {(1000, 0, 0)}
    assert deadlocks == []


def test_a_hold_and_its_cancellation_at_the_same_moment_leave_nothing_held(shop: Any, sessions: Sessions) -> None:
    product = shop.add(stock=1000)["id"]
    order_ids = [new_id() for _ in range(40)]

    def cancel(order_id: UUID) -> bool:
        try:
            with sessions.begin() as session:
                settle(session, [cancelled(order_id, {product: 1}, was_placed=False)], "EUR")
        except TooEarly:
            return False
        return True

    with ThreadPoolExecutor(2) as two:
        for order_id in order_ids:
            hold = two.submit(shop.hold, shop.wish({product: 1}, order_id))
            eventually(lambda order_id=order_id: cancel(order_id))
            assert hold.result()[0]["outcome"] in ("held", "released")

    assert shop.counters(product) == (1000, 0, 0)
    assert {state(shop, order_id) for order_id in order_ids} == {"released"}


# After a restored copy


def test_a_placed_order_that_was_never_held_takes_what_is_free(shop: Any, broker: Broker, product: int) -> None:
    order_id = new_id()
    tell(shop, broker, placed(order_id, {product: 4}), "committed")

    assert shop.counters(product) == (6, 0, 4)
    assert shop.hold(shop.wish({product: 4}, order_id))[0]["outcome"] == "held"
    tell(shop, broker, cancelled(order_id, {product: 4}), "released")
    assert shop.counters(product) == (10, 0, 0)


@pytest.mark.parametrize("restock", [True, False])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_order_that_was_never_held_leaves_the_same_rows_in_either_order(
    shop: Any, sessions: Sessions, product: int, order: tuple[int, int], restock: bool
) -> None:
    order_id = new_id()
    events = [placed(order_id, {product: 4}), cancelled(order_id, {product: 4}, restock=restock)]

    for n in order:
        with sessions.begin() as session:
            settle(session, [events[n]], "EUR")

    lost = [] if restock else [(-4, "lost")]
    assert shop.ledger(product) == [(10, "set"), (-4, "sold"), (4, "cancelled"), *lost]
    assert state(shop, order_id) == "released"


def test_a_cancelled_order_whose_goods_are_not_here_waits_for_nothing(
    shop: Any, sessions: Sessions, product: int
) -> None:
    order_id, lines = new_id(), {product: 11, 999_999: 1}

    for event in (cancelled(order_id, lines, restock=False), placed(order_id, lines)):
        with sessions.begin() as session:
            settle(session, [event], "EUR")

    assert shop.ledger(product) == [(10, "set")]
    assert state(shop, order_id) == "released"


@pytest.mark.parametrize("lines", [{999_999: 1}, {}])
def test_a_placed_order_of_a_product_that_is_missing_waits(
    shop: Any, sessions: Sessions, lines: dict[int, int]
) -> None:
    wanted = lines or {shop.add(stock=3)["id"]: 4}

    with pytest.raises(TooEarly), sessions.begin() as session:
        settle(session, [placed(new_id(), wanted)], "EUR")


def test_a_placed_order_waits_for_stock_and_then_takes_it(shop: Any, broker: Broker) -> None:
    product = shop.add(stock=3)["id"]
    order_id = new_id()
    broker.tell(placed(order_id, {product: 4}))
    eventually(lambda: broker.size("stoa.retry.1s") == 1)

    shop.change(product, stock=5)

    eventually(lambda: state(shop, order_id) == "committed")
    assert shop.counters(product) == (1, 0, 4)
    assert broker.size(dead_letter_name("catalog")) == 0
