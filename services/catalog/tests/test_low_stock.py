"""Running low: said once each time that a product on sale gets there, by whatever way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from catalog.settling import settle
from common.ids import new_id
from common.outbox import outbox
from common.testing.broker import Broker
from common.testing.waiting import eventually

from .test_settling import cancelled, placed

LOW, UPDATED = "product.low_stock", "product.updated"

Way = Callable[[Any, dict[str, Any], int], None]


def told(shop: Any, product_id: int) -> list[tuple[str, int]]:
    """Types and versions of what was said since the product was made."""
    return [(kind, version) for kind, version, _ in shop.said_of(product_id)][1:]


def by_hold(shop: Any, product: dict[str, Any], pieces: int) -> None:
    shop.hold(shop.wish({product["id"]: pieces}))


def by_sale_without_hold(shop: Any, product: dict[str, Any], pieces: int) -> None:
    with shop.sessions.begin() as session:
        settle(session, [placed(new_id(), {product["id"]: pieces})], "EUR")


def by_edit(shop: Any, product: dict[str, Any], pieces: int) -> None:
    shop.change(product["id"], stock=product["stock"] - pieces)


def by_adjustment(shop: Any, product: dict[str, Any], pieces: int) -> None:
    assert shop.adjust(product["id"], -pieces, "damaged").status_code == 200


def by_import(shop: Any, product: dict[str, Any], pieces: int) -> None:
    shop.take_in(f"sku,stock\n{product['sku']},{product['stock'] - pieces}\n")


WAYS = (by_hold, by_sale_without_hold, by_edit, by_adjustment, by_import)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("left", [5, 0])
def test_it_is_said_by_whatever_way_stock_goes(shop: Any, way: Way, left: int) -> None:
    product = shop.add(stock=9)

    way(shop, product, 9 - left)

    assert told(shop, product["id"]) == [(UPDATED, 2), (LOW, 3)]
    assert shop.said_of(product["id"])[-1][2] == {
        "product_id": product["id"],
        "version": 3,
        "sku": product["sku"],
        "name": product["name"],
        "stock": left,
    }
    assert shop.briefs(f"ids={product['id']}")[0]["version"] == 3


@pytest.mark.parametrize("way", WAYS)
def test_it_is_not_said_while_there_is_enough_nor_again_when_it_is_low_already(shop: Any, way: Way) -> None:
    plenty, few = shop.add(stock=9), shop.add(stock=5)

    way(shop, plenty, 3)
    way(shop, few, 1)

    assert told(shop, plenty["id"]) == told(shop, few["id"]) == []


def test_it_is_said_again_after_stock_has_come(shop: Any) -> None:
    product = shop.add(stock=9)["id"]
    order_id = new_id()
    shop.hold(shop.wish({product: 4}, order_id))
    with shop.sessions.begin() as session:
        settle(session, [cancelled(order_id, {product: 4}, was_placed=False)], "EUR")
    shop.hold(shop.wish({product: 8}))

    assert told(shop, product) == [(UPDATED, 2), (LOW, 3), (UPDATED, 4), (UPDATED, 5), (LOW, 6)]


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("draft", {"stock": 1}),
        ("draft", {"stock": 1, "status": "active"}),
        ("archived", {"stock": 1}),
        ("active", {"stock": 1, "status": "archived"}),
        ("active", {"stock": 1, "status": "draft"}),
    ],
)
def test_it_is_not_said_of_a_product_off_sale(shop: Any, before: str, change: dict[str, Any]) -> None:
    product = shop.add(stock=9, status=before)["id"]

    shop.change(product, **change)

    assert [kind for kind, _ in told(shop, product)] in ([UPDATED], ["product.archived"])


def test_it_is_not_said_of_few_pieces_that_were_few_from_the_beginning(shop: Any) -> None:
    product = shop.add(stock=1, status="draft")["id"]
    shop.change(product, status="active")
    sku = shop.sku()
    shop.take_in(f"sku,name,price,stock\n{sku},Lamp,1,2\n")

    assert told(shop, product) == [(UPDATED, 2)]
    assert told(shop, shop.see_sku(sku)["id"]) == []


def test_a_file_that_goes_down_and_up_again_says_nothing(shop: Any) -> None:
    product = shop.add(stock=9)

    shop.take_in(f"sku,stock\n{product['sku']},2\n{product['sku']},8\n")

    assert told(shop, product["id"]) == []


def test_it_leaves_although_nobody_hears_it(shop: Any, broker: Broker) -> None:
    deaf = shop.add(stock=9)["id"]
    shop.hold(shop.wish({deaf: 4}))
    eventually(lambda: shop.unsent() == 0)
    tap = shop.tap(LOW)
    product = shop.add(stock=9)["id"]
    shop.hold(shop.wish({product: 4}))

    (heard,) = broker.take(tap, 1)

    assert (heard["subject"], heard["sequence"], heard["data"]["stock"]) == (str(product), 3, 5)
    with shop.sessions.begin() as session:
        assert session.execute(select(outbox.c.seq).where(outbox.c.attempts > 0)).all() == []


# The race


def test_a_crowd_that_crosses_the_line_says_it_once(shop: Any) -> None:
    products = [shop.add(stock=40)["id"] for _ in range(3)]
    wishes = [shop.wish(dict.fromkeys(products, 1)) for _ in range(50)]

    with ThreadPoolExecutor(16) as crowd:
        outcomes = [result["outcome"] for (result,) in crowd.map(shop.hold, wishes)]

    assert (outcomes.count("held"), outcomes.count("short")) == (40, 10)
    for product in products:
        assert told(shop, product) == [(UPDATED, 2), (LOW, 3), (UPDATED, 4)]
