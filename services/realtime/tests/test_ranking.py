"""What sold best lately: through the broker, and with orders of other days."""

import asyncio
import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from common.clock import now
from common.database import Sessions
from common.events.orders import OrderCancelled, OrderPlaced
from common.ids import made_at
from common.testing.broker import Broker
from common.testing.waiting import eventually, somebody_waits
from realtime import ranking
from realtime.models import SoldIn
from realtime.noting import forget_orders
from realtime.ranking import Rankings, count_recent, forget_old, read_ranking
from realtime.usecases import take_turn

PATH = "/api/realtime/top/"
MANY = 1_000_000
"""More than all other tests sell."""

Placed = Callable[[dict[int, int]], OrderPlaced]
Cancelled = Callable[..., OrderCancelled]


def top(client: TestClient, window: str, *products: int) -> dict[int, int]:
    """How many of these products the ranking shows, in its order."""
    data: list[dict[str, Any]] = client.get(PATH, params={"window": window, "limit": 100}).json()["data"]
    return {each["id"]: each["sold_count"] for each in data if each["id"] in products}


def order_of(moment: datetime) -> UUID:
    """The id of an order that was placed then."""
    made = UUID(int=int(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | random.getrandbits(62))  # noqa: S311
    assert abs((made_at(made) or now()) - moment) < timedelta(milliseconds=2)
    return made


@pytest.fixture
def earlier(placed: Placed) -> Callable[..., OrderPlaced]:
    """An order that was placed a while ago and is heard of now."""
    return lambda lines, ago: placed(lines).model_copy(update={"order_id": order_of(now() - ago)})


def test_what_sold_best_stands_first_in_every_window(
    client: TestClient, broker: Broker, product: int, placed: Placed
) -> None:
    other = product * 1000
    broker.tell(placed({product: 2 * MANY, other: MANY}))
    broker.tell(placed({other: 2 * MANY}))
    for window in ("1h", "24h", "7d"):
        eventually(lambda window=window: top(client, window, product, other) == {other: 3 * MANY, product: 2 * MANY})
        assert list(top(client, window, product, other)) == [other, product]


def test_a_cancelled_order_is_taken_off_where_it_was_placed(
    client: TestClient, broker: Broker, product: int, placed: Placed, cancelled: Cancelled, earlier: Callable[..., Any]
) -> None:
    broker.tell(placed({product: MANY}))
    old = earlier({product: 3 * MANY}, timedelta(hours=3))
    broker.tell(old)
    eventually(lambda: top(client, "24h", product) == {product: 4 * MANY})
    broker.tell(cancelled({product: 3 * MANY}).model_copy(update={"order_id": old.order_id}))
    eventually(lambda: top(client, "24h", product) == {product: MANY})
    eventually(lambda: top(client, "1h", product) == {product: MANY})


def test_what_is_heard_late_counts_when_it_was_placed(
    client: TestClient, broker: Broker, product: int, earlier: Callable[..., Any]
) -> None:
    for days, units in ((0.5, 1), (3, 2), (9, 4)):
        broker.tell(earlier({product: units * MANY}, timedelta(days=days)))
    eventually(lambda: top(client, "7d", product) == {product: 3 * MANY})
    eventually(lambda: top(client, "24h", product) == {product: MANY})
    eventually(lambda: top(client, "1h", product) == {})


def test_the_answer_says_its_window_and_is_as_long_as_was_asked_for(client: TestClient) -> None:
    answer = client.get(PATH, params={"window": "1h", "limit": "1"}).json()
    assert answer["window"] == "1h"
    assert len(answer["data"]) <= 1
    since = datetime.fromisoformat(answer["since"])
    assert timedelta(hours=1) <= now() - since < timedelta(minutes=61, seconds=30)
    assert client.get(PATH).json()["window"] == "24h"


@pytest.mark.parametrize("query", ["window=2h", "window=", "limit=0", "limit=101", "limit=x", "since=1"])
def test_what_makes_no_sense_is_400(client: TestClient, query: str) -> None:
    assert client.get(f"{PATH}?{query}").status_code == 400


def test_many_who_ask_at_once_cost_one_question(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def read(sessions: Sessions, window: str) -> ranking.Ranking:
        asked.append(window)
        return read_ranking(sessions, window)

    async def ask() -> None:
        rankings = Rankings(sessions)
        await asyncio.gather(*(rankings.get("1h") for _ in range(50)), rankings.get("7d"))

    monkeypatch.setattr(ranking, "read_ranking", read)
    asyncio.run(ask())
    assert sorted(asked) == ["1h", "7d"]


def test_what_no_window_reaches_any_more_is_forgotten(
    sessions: Sessions, product: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spans() -> dict[int, int]:
        with sessions.begin() as session:
            rows = select(SoldIn.span_s, func.sum(SoldIn.sold)).where(SoldIn.product_id == product)
            return {span_s: int(sold) for span_s, sold in session.execute(rows.group_by(SoldIn.span_s))}

    moment = now()
    with sessions.begin() as session:
        count_recent(session, {(moment, product): 2, (moment - timedelta(minutes=30), product): 1})
        count_recent(session, {(moment - timedelta(days=8), product): 7})
    assert spans() == {60: 3, 3600: 3}
    for later, left in ((timedelta(minutes=45), {60: 2, 3600: 3}), (timedelta(hours=2), {3600: 3})):
        monkeypatch.setattr(ranking, "now", lambda later=later: moment + later)
        forget_old(sessions)
        assert spans() == left
    monkeypatch.setattr(ranking, "now", lambda: moment + timedelta(days=8))
    forget_old(sessions)
    assert spans() == {}


@pytest.mark.parametrize("forget", [forget_old, forget_orders])
def test_what_is_old_is_forgotten_between_two_batches(sessions: Sessions, forget: Callable[[Sessions], None]) -> None:
    """So that neither a batch nor a rebuild, which write the same tables, can lose a deadlock to it."""
    forgetting = threading.Thread(target=forget, args=(sessions,))
    with sessions.begin() as session:
        take_turn(session)
        forgetting.start()
        eventually(lambda: somebody_waits(sessions))
    forgetting.join()
