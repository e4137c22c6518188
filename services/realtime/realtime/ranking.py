"""The ranking's room: what sold best lately, from counts per minute and per hour.

A sale counts when its order was placed, which the order's id tells (UUIDv7, RFC 9562 section 5.7): its cancellation
is taken from the same minute, and what is heard late, after an outage, does not look like a rush.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions
from common.tidying import drop_all
from realtime.models import SoldIn
from realtime.schemas import MOST_RANKED
from realtime.usecases import add_up, take_turn

SOLD_IN = cast(Table, SoldIn.__table__)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WINDOWS: dict[str, tuple[timedelta, timedelta]] = {
    "1h": (timedelta(hours=1), MINUTE),
    "24h": (timedelta(hours=24), HOUR),
    "7d": (timedelta(days=7), HOUR),
}
"""Each window's length, and the spans that it is made of."""
KEPT = {span: max(length for length, made_of in WINDOWS.values() if made_of == span) + span for span in (MINUTE, HOUR)}
"""How long a span's counts are asked for."""
FRESH_S = 1.0
"""One question a second and process to the database, however many ask (design: performance, section 1)."""

Sales = Mapping[tuple[datetime, int], int]
"""Units sold, by when their order was placed and product; less than nothing for cancellations."""
Spans = Counter[tuple[int, datetime, int]]
"""The same by a span's length in seconds, its begin, and product."""


class Best(NamedTuple):
    """A product and how many units of it were sold, cancellations taken off."""

    product_id: int
    sold: int


class Ranking(NamedTuple):
    """The best sellers since a moment, the best first."""

    since: datetime
    best: list[Best]


def count_recent(session: Session, sales: Sales) -> None:
    """Add to the counts of the spans that are still asked for, in the caller's transaction and by their keys."""
    add_up(session, SOLD_IN, span_rows(by_spans(sales)))


def by_spans(sales: Sales) -> Spans:
    """The sales by the spans that are still asked for."""
    units: Spans = Counter()
    for span, kept in KEPT.items():
        oldest = _begin(now() - kept, span)
        for (at, product), sold in sales.items():
            begin = _begin(at, span)
            if begin >= oldest:
                units[int(span.total_seconds()), begin, product] += sold
    return units


def span_rows(units: Spans) -> list[dict[str, Any]]:
    """The same as rows, by their keys."""
    return [
        {"span_s": span_s, "begin": begin, "product_id": product, "sold": units[span_s, begin, product]}
        for span_s, begin, product in sorted(units)
        if units[span_s, begin, product]
    ]


def read_ranking(sessions: Sessions, window: str) -> Ranking:
    """The best sellers of a window, from the begin of its first span on: up to one span longer than its name says."""
    length, span = WINDOWS[window]
    since = _begin(now() - length, span)
    units = func.sum(SOLD_IN.c.sold)
    wanted = (
        select(SOLD_IN.c.product_id, units)
        .where(SOLD_IN.c.span_s == span.total_seconds(), SOLD_IN.c.begin >= since)
        .group_by(SOLD_IN.c.product_id)
        .having(units > 0)
        .order_by(units.desc(), SOLD_IN.c.product_id)
        .limit(MOST_RANKED)
    )
    with sessions.begin() as session:
        return Ranking(since, [Best(product, int(sold)) for product, sold in session.execute(wanted)])


class Rankings:
    """Every window's ranking, read again when somebody asks and the last one is older than a second."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._turns = {window: asyncio.Lock() for window in WINDOWS}
        self._read: dict[str, tuple[float, Ranking]] = {}

    async def get(self, window: str) -> Ranking:
        """Not older than a second. Who asks while it is being read waits for that."""
        clock = asyncio.get_running_loop().time
        async with self._turns[window]:
            at, ranking = self._read.get(window, (0.0, None))
            if ranking is None or clock() - at > FRESH_S:
                at, ranking = clock(), await asyncio.to_thread(read_ranking, self._sessions, window)
                self._read[window] = (at, ranking)
            return ranking


def forget_old(sessions: Sessions) -> None:
    """Drop the counts that no window reaches any more."""
    for span, kept in KEPT.items():
        of_span = SOLD_IN.c.span_s == span.total_seconds()
        too_old = of_span & (SOLD_IN.c.begin < _begin(now() - kept, span))
        drop_all(sessions, SOLD_IN, too_old, turn=take_turn)


def _begin(at: datetime, span: timedelta) -> datetime:
    """The begin of the minute or hour in which a moment lies."""
    seconds = int(span.total_seconds())
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)
