"""A process that is killed while many are buying: every order is whole, or what it held is given back."""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from common.database import new_sessions
from common.faults import CRASH_STATUS
from common.outbox import outbox
from common.testing.signing import SignedUser, Signer
from common.testing.waiting import eventually
from orders.models import Order, Placement
from orders.resolving import sweep
from orders.settings import OrdersSettings

from .conftest import Shelves
from .processes import Running, lease_over, overdue, running

BUYERS, AT_ONCE, KILLED_AFTER = 40, 20, 15
STOCK = 1000
BODY = {"items": [{"product_id": 1, "quantity": 2}]}


@dataclass
class Wish:
    """One buyer's order and what came of it."""

    buyer: SignedUser
    key: str = field(default_factory=lambda: str(uuid4()))
    answer: Any = None

    def send(self, http: httpx2.Client) -> Any:
        """Ask for it; None when no answer came."""
        try:
            return http.post("/api/orders/", json=BODY, headers=self.buyer.headers | {"Idempotency-Key": self.key})
        except httpx2.TransportError:
            return None


@pytest.fixture
def wishes(signer: Signer) -> list[Wish]:
    return [Wish(signer.user(f"buyer{n}")) for n in range(BUYERS)]


def buy_until_it_dies(shop: Running, wishes: Sequence[Wish], killed_after: int) -> None:
    """All buy, many at once; after so many answers the process is killed, wherever it is."""
    answered, lock = Counter[str](), Lock()

    def buy(wish: Wish) -> None:
        wish.answer = wish.send(shop.http)
        with lock:
            answered["all"] += wish.answer is not None
            if answered["all"] == killed_after:
                os.kill(shop.process.pid, signal.SIGKILL)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(buy, wishes))


@pytest.mark.parametrize(
    "fault", ["", "orders.after_intent", "orders.after_hold", "orders.before_commit", "orders.after_commit"]
)
def test_killed_in_a_crowd_it_leaves_whole_orders_and_free_stock(
    settings: OrdersSettings, shelves: Shelves, engine: Engine, wishes: list[Wish], tmp_path: Path, fault: str
) -> None:
    shelves.stock = {1: STOCK}
    with running(settings, tmp_path / "first", fault) as first:
        buy_until_it_dies(first, wishes, 0 if fault else KILLED_AFTER)
        assert first.end() == (CRASH_STATUS if fault else -signal.SIGKILL), first.log.read_text()[-2000:]
    told = {wish.key: wish.answer for wish in wishes if wish.answer is not None}
    assert {answer.status_code for answer in told.values()} <= {201}

    come_back, gone = wishes[::2], wishes[1::2]
    lease_over(engine)
    with running(settings, tmp_path / "second") as second:
        for wish in come_back:
            wish.answer = eventually(partial(_done, wish, second.http))
        overdue(engine)
        sweep(new_sessions(engine))
        eventually(lambda: _unsaid(engine) == 0)

    for wish in come_back:
        before = told.get(wish.key)
        assert before is None or (before.json(), "true") == (
            wish.answer.json(),
            wish.answer.headers["idempotent-replayed"],
        )
    check(engine, shelves, come_back, [wish for wish in gone if wish.key in told], gone)


def _done(wish: Wish, http: httpx2.Client) -> Any:
    answer = wish.send(http)
    return answer if answer is not None and answer.status_code == 201 else None


def _unsaid(engine: Engine) -> int:
    with Session(engine) as session:
        return len(session.scalars(select(outbox.c.seq).where(outbox.c.published_at.is_(None))).all())


def check(
    engine: Engine, shelves: Shelves, finished: Sequence[Wish], answered: Sequence[Wish], gone: Sequence[Wish]
) -> None:
    """One whole order for who got an answer; for the others one at most; what no order holds is told to catalog."""
    with Session(engine) as session:
        rows = session.scalars(select(Order).where(Order.user_id.in_([w.buyer.id for w in (*finished, *gone)]))).all()
        said = session.execute(
            select(outbox.c.subject, outbox.c.type).where(outbox.c.subject.in_([str(row.id) for row in rows]))
        ).all()
    of: dict[UUID, list[Order]] = {}
    for row in rows:
        of.setdefault(row.user_id, []).append(row)
    for wish in (*finished, *answered):
        (order,) = of[wish.buyer.id]
        assert order.placement == Placement.PLACED
        assert (order.total, len(order.lines)) == (Decimal("5.00"), 1)
        assert str(order.id) == wish.answer.json()["id"]
    assert all(len(orders) == 1 for orders in of.values())
    outcome = {str(row.id): row.placement for row in rows}
    assert set(outcome.values()) <= {Placement.PLACED, Placement.CANCELLED}
    words = {Placement.PLACED: "order.placed", Placement.CANCELLED: "order.cancelled"}
    assert Counter(map(tuple, said)) == Counter((i, words[Placement(placement)]) for i, placement in outcome.items())
    assert set(shelves.holds) <= set(outcome), "what is held belongs to an order or to one that was given up"
    assert shelves.stock[1] == STOCK - 2 * len(shelves.holds)
    assert {i for i, placement in outcome.items() if placement == Placement.PLACED} <= set(shelves.holds)
