"""Expired holds: given back on orders' word, and on nothing else."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import func, select

from catalog.clients import Orders
from catalog.models import HELD, Reservation
from catalog.settings import CatalogSettings
from catalog.storage import FolderStore
from catalog.sweeping import GRACE, sweep_holds, tidy
from common.clock import now
from common.database import Sessions
from common.errors import Unavailable
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
def unhurried(shop: Any, orders: FakeSister) -> Iterator[None]:
    """Orders cannot tell, until a test says what it answers; nothing is left over for the next test."""
    orders.answer("POST", "/internal/orders/", lambda *_: (503, {}))
    yield
    orders.answers.clear()
    orders.answer("POST", "/internal/orders/", lambda *_: (200, {"outcome": "cancelled"}))
    eventually(lambda: not _waiting(shop))
    orders.asked.clear()


def _waiting(shop: Any) -> int:
    """How many expired holds orders has still to be asked about."""
    hold = Reservation
    held = select(func.count()).where(hold.state == HELD, hold.asked_at.is_(None), hold.expires_at < now() - GRACE)
    with shop.sessions.begin() as session:
        return int(session.scalar(held))


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


class OneAtATime:
    """Orders behind a breaker that lets one question of each sweep through; never an answer about `silent`."""

    def __init__(self, silent: UUID) -> None:
        self.silent = silent
        self.open = True

    def resolve(self, order_id: UUID) -> str:
        """Cancelled, to the first question of a sweep, if that is about another."""
        let_through, self.open = self.open, False
        if not let_through or order_id == self.silent:
            raise Unavailable("orders does not answer", code="orders_unavailable")
        return "cancelled"


def test_an_order_that_never_gets_an_answer_is_not_always_the_one_question_that_a_breaker_lets_through(
    shop: Any, sessions: Sessions
) -> None:
    product = shop.add()["id"]
    silent, other = new_id(), new_id()
    shop.hold(shop.wish({product: 4}, silent, EXPIRED - 60), shop.wish({product: 4}, other, EXPIRED))
    orders = OneAtATime(silent)

    for _ in range(100):
        orders.open = True
        sweep_holds(sessions, cast(Orders, orders), "EUR")

    assert shop.counters(product) == (10, 4, 0)


def test_files_that_have_had_their_time_are_thrown_away(sessions: Sessions, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for file in (old, new):
        file.touch()
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (week_ago, week_ago))

    tidy(sessions, FolderStore(tmp_path))

    assert list(tmp_path.iterdir()) == [new]
