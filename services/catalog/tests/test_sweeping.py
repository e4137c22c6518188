"""Expired holds: given back on orders' word, and on nothing else."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catalog.clients import Orders
from catalog.models import Reservation
from catalog.settings import CatalogSettings
from catalog.storage import FolderStore
from catalog.sweeping import sweep_holds, tidy
from common.database import Sessions
from common.http import Sister
from common.ids import new_id
from common.service_tokens import Badge
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually

EXPIRED = -31.0
JUST_OVER = -5.0


def hold(shop: Any, product: int, seconds: float) -> UUID:
    """An order holding four pieces, which has expired that long ago."""
    order_id = new_id()
    shop.hold(shop.wish({product: 4}, order_id, seconds))
    return order_id


def asked_about(orders: FakeSister, order_id: UUID) -> int:
    """How often orders was asked about it."""
    return sum(1 for _, path, _ in orders.asked if str(order_id) in path)


def answer(orders: FakeSister, order_id: UUID, status: int, outcome: str) -> None:
    """What orders will say."""
    orders.answer("POST", f"/internal/orders/{order_id}/resolve/", lambda *_: (status, {"outcome": outcome}))


@pytest.fixture(autouse=True)
def unhurried(orders: FakeSister) -> Iterator[None]:
    """Orders cannot tell, until a test says what it answers; nothing is left over for the next test."""
    orders.answer("POST", "/internal/orders/", lambda *_: (503, {}))
    yield
    orders.answers.clear()
    orders.answer("POST", "/internal/orders/", lambda *_: (200, {"outcome": "cancelled"}))
    orders.asked.clear()


def test_an_expired_hold_of_a_cancelled_order_is_given_back(shop: Any, orders: FakeSister) -> None:
    product = shop.add()["id"]
    orders.answer("POST", "/internal/orders/", lambda *_: (200, {"outcome": "cancelled"}))

    order_id = hold(shop, product, EXPIRED)

    eventually(lambda: shop.counters(product) == (10, 0, 0))
    assert shop.hold(shop.wish({product: 4}, order_id))[0]["outcome"] == "released"


@pytest.mark.parametrize("outcome", ["placed", "unknown", "nonsense"])
def test_a_hold_that_orders_does_not_call_cancelled_stays(shop: Any, orders: FakeSister, outcome: str) -> None:
    product = shop.add()["id"]
    orders.answer("POST", "/internal/orders/", lambda *_: (200, {"outcome": outcome}))

    order_id = hold(shop, product, EXPIRED)

    eventually(lambda: asked_about(orders, order_id))
    eventually(lambda: _marked(shop, order_id))
    other = hold(shop, product, EXPIRED)
    eventually(lambda: asked_about(orders, other))
    assert asked_about(orders, order_id) == 1
    assert shop.counters(product) == (10, 8, 0)


def _marked(shop: Any, order_id: UUID) -> bool:
    with shop.sessions.begin() as session:
        return session.get(Reservation, order_id).asked_at is not None


def test_while_orders_is_away_every_hold_stays_and_is_asked_about_again(shop: Any, orders: FakeSister) -> None:
    product = shop.add()["id"]
    order_id = hold(shop, product, EXPIRED)

    eventually(lambda: asked_about(orders, order_id) > 1)
    assert shop.counters(product) == (10, 4, 0)

    orders.answer("POST", "/internal/orders/", lambda *_: (200, {"outcome": "cancelled"}))
    eventually(lambda: shop.counters(product) == (10, 0, 0))


def test_a_hold_is_not_asked_about_before_its_grace_is_over(
    shop: Any, orders: FakeSister, sessions: Sessions, settings: CatalogSettings
) -> None:
    product = shop.add()["id"]
    orders.answer("POST", "/internal/orders/", lambda *_: (200, {"outcome": "cancelled"}))
    order_id = hold(shop, product, JUST_OVER)

    with closing(Sister("orders", settings.orders_url, Badge("catalog"), timeout_s=2)) as sister:
        sweep_holds(sessions, Orders(sister), "EUR")

    assert asked_about(orders, order_id) == 0
    assert shop.counters(product) == (10, 4, 0)


@pytest.mark.parametrize("silent", [0, 1])
def test_an_order_that_gets_no_answer_does_not_hold_up_the_others(shop: Any, orders: FakeSister, silent: int) -> None:
    product = shop.add()["id"]
    order_ids = [new_id(), new_id()]
    answer(orders, order_ids[1 - silent], 200, "cancelled")
    shop.hold(*(shop.wish({product: 4}, order_id, EXPIRED - n) for n, order_id in enumerate(order_ids)))

    eventually(lambda: shop.counters(product) == (10, 4, 0))
    assert shop.hold(shop.wish({product: 4}, order_ids[silent]))[0]["outcome"] == "held"


def test_files_that_have_had_their_time_are_thrown_away(sessions: Sessions, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for file in (old, new):
        file.touch()
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (week_ago, week_ago))

    tidy(sessions, FolderStore(tmp_path))

    assert list(tmp_path.iterdir()) == [new]
