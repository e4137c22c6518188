"""Holding stock: each order all or nothing, once, never more than there is."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from catalog.holding import hold_stock
from catalog.sister_schemas import ReservationWanted
from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker


def outcomes(results: list[dict[str, Any]]) -> list[str]:
    """What became of each."""
    return [result["outcome"] for result in results]


def held_by(sessions: Sessions, *wishes: dict[str, Any]) -> list[str]:
    """What becomes of wishes that reach the use case at the same time as others do."""
    wanted = [ReservationWanted.model_validate(wish, strict=False) for wish in wishes]
    return [result.outcome for result in hold_stock(sessions, wanted, "EUR")]


# What cannot be held


def test_an_unknown_product_is_named(shop: Any) -> None:
    product = shop.add()

    (result,) = shop.hold(shop.wish({product["id"]: 1, 999_999: 2}))

    assert result["outcome"] == "unknown"
    assert result["items"] == [{"product_id": 999_999, "requested": 2, "available": 0}]
    assert shop.counters(product["id"]) == (10, 0, 0)


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_a_product_off_sale_cannot_be_held(shop: Any, status: str) -> None:
    product = shop.add(status=status)

    (result,) = shop.hold(shop.wish({product["id"]: 1}))

    assert (result["outcome"], result["lines"]) == ("unavailable", [])
    assert result["items"] == [{"product_id": product["id"], "requested": 1, "available": 10}]


def test_every_short_line_is_listed_and_nothing_is_held(shop: Any) -> None:
    plenty, few, none = shop.add(stock=100), shop.add(stock=2), shop.add(stock=0)

    (result,) = shop.hold(shop.wish({plenty["id"]: 5, few["id"]: 3, none["id"]: 1}))

    assert result["outcome"] == "short"
    assert result["items"] == [
        {"product_id": few["id"], "requested": 3, "available": 2},
        {"product_id": none["id"], "requested": 1, "available": 0},
    ]
    assert shop.counters(plenty["id"]) == (100, 0, 0)


# The good way


def test_a_hold_puts_pieces_aside_and_answers_what_they_cost(shop: Any) -> None:
    lamp, torch = shop.add(name="Lamp", price="3.00"), shop.add(name="Torch", price="0.50")
    wish = shop.wish({torch["id"]: 2, lamp["id"]: 3})

    (result,) = shop.hold(wish)

    assert (result["order_id"], result["outcome"], result["items"]) == (wish["order_id"], "held", [])
    assert result["lines"] == [
        {"product_id": lamp["id"], "quantity": 3, "sku": lamp["sku"], "name": "Lamp", "price": "3.00"},
        {"product_id": torch["id"], "quantity": 2, "sku": torch["sku"], "name": "Torch", "price": "0.50"},
    ]
    assert shop.counters(lamp["id"]) == (10, 3, 0)
    assert shop.see(lamp["id"])["stock"] == 7


def test_an_empty_batch_is_answered_emptily(shop: Any) -> None:
    assert shop.hold() == []


def test_each_order_of_a_batch_has_its_own_fate_in_order_of_arrival(shop: Any) -> None:
    product = shop.add(stock=5)["id"]
    wishes = [shop.wish({product: 3}), shop.wish({product: 3}), shop.wish({product: 2}), shop.wish({999_999: 1})]

    assert outcomes(shop.hold(*wishes)) == ["held", "short", "held", "unknown"]
    assert shop.counters(product) == (5, 5, 0)


def test_several_lines_of_one_product_are_summed(shop: Any) -> None:
    product = shop.add(stock=5)["id"]
    wish = shop.wish({product: 3})
    wish["lines"] *= 2

    (result,) = shop.hold(wish)

    assert result["items"] == [{"product_id": product, "requested": 6, "available": 5}]


# Repeats


def test_a_repeated_hold_gets_the_first_answer_and_holds_once(shop: Any) -> None:
    product = shop.add()
    wish = shop.wish({product["id"]: 4})
    first = shop.hold(wish)
    shop.change(product["id"], price="99.00", name="dearer now")

    assert shop.hold(wish) == first
    assert shop.hold(wish | {"expires_at": "2031-01-01T00:00:00Z"}) == first
    assert shop.counters(product["id"]) == (10, 4, 0)


def test_a_repeated_hold_with_other_lines_is_a_mismatch(shop: Any) -> None:
    product = shop.add()["id"]
    wish = shop.wish({product: 4})
    shop.hold(wish)

    other = wish | {"lines": [{"product_id": product, "quantity": 5}]}

    assert outcomes(shop.hold(other, wish)) == ["mismatch", "held"]
    assert shop.counters(product) == (10, 4, 0)


def test_an_order_twice_in_one_batch_is_held_once(shop: Any) -> None:
    product = shop.add()["id"]
    wish = shop.wish({product: 4})
    other = wish | {"lines": [{"product_id": product, "quantity": 1}]}

    assert outcomes(shop.hold(wish, other, wish)) == ["held", "mismatch", "held"]
    assert shop.counters(product) == (10, 4, 0)


def test_a_hold_that_was_short_may_be_tried_again(shop: Any) -> None:
    product = shop.add(stock=1)["id"]
    wish = shop.wish({product: 2})

    assert outcomes(shop.hold(wish)) == ["short"]
    shop.change(product, stock=2)
    assert outcomes(shop.hold(wish)) == ["held"]


# What is said


def test_a_hold_is_said_only_when_the_availability_shows_otherwise(shop: Any, broker: Broker) -> None:
    tap = shop.tap("product.updated")
    product = shop.add(stock=10)["id"]
    for quantity in (4, 1, 1, 4):
        shop.hold(shop.wish({product: quantity}))

    said = broker.take(tap, 2)

    assert [(event["sequence"], event["data"]["availability"]) for event in said] == [
        (2, "low_stock"),
        (4, "out_of_stock"),
    ]
    assert broker.size(tap) == 0


# The race


def test_two_hundred_buyers_of_a_hundred_pieces_get_exactly_a_hundred(shop: Any) -> None:
    product = shop.add(stock=100)["id"]

    with ThreadPoolExecutor(200) as crowd:
        answers = list(crowd.map(lambda _: shop.hold(shop.wish({product: 1}))[0]["outcome"], range(200)))

    assert (answers.count("held"), answers.count("short")) == (100, 100)
    assert shop.counters(product) == (100, 100, 0)


def test_orders_that_cross_over_the_same_products_never_stand_in_each_other_s_way(
    shop: Any, sessions: Sessions, deadlocks: list[Any]
) -> None:
    products = [shop.add(stock=1000)["id"] for _ in range(10)]
    dice = Random(7)
    wishes = [shop.wish(dict.fromkeys(dice.sample(products, 3), 1)) for _ in range(200)]

    with ThreadPoolExecutor(25) as crowd:
        answers = list(crowd.map(lambda wish: held_by(sessions, wish), wishes))

    assert answers == [["held"]] * 200
    assert sum(shop.counters(product)[1] for product in products) == 600
    assert deadlocks == []


def test_crossing_batches_never_stand_in_each_other_s_way(shop: Any, sessions: Sessions, deadlocks: list[Any]) -> None:
    products = [shop.add(stock=1000)["id"] for _ in range(10)]
    dice = Random(8)
    batches = [[shop.wish(dict.fromkeys(dice.sample(products, 3), 1)) for _ in range(8)] for _ in range(30)]

    with ThreadPoolExecutor(15) as crowd:
        answers = list(crowd.map(lambda batch: held_by(sessions, *batch), batches))

    assert answers == [["held"] * 8] * 30
    assert sum(shop.counters(product)[1] for product in products) == 720
    assert deadlocks == []


def test_a_crowd_with_one_order_ends_in_one_hold(shop: Any, sessions: Sessions) -> None:
    product = shop.add(stock=100)["id"]
    wish = shop.wish({product: 2})

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: held_by(sessions, wish), range(40)))

    assert answers == [["held"]] * 40
    assert shop.counters(product) == (100, 2, 0)


def test_one_order_wanted_at_once_with_different_products_is_held_in_one_form(shop: Any, sessions: Sessions) -> None:
    products = [shop.add(stock=100)["id"] for _ in range(20)]
    order = new_id()

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda product: held_by(sessions, shop.wish({product: 1}, order)), products))

    assert sorted(answers) == [["held"]] + [["mismatch"]] * 19
    assert sum(shop.counters(product)[1] for product in products) == 1
