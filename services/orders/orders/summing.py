"""The summing room: how many orders there were and what they brought, by status and by day.

It is summed when it is asked for, in an index that holds all that is needed, a month at a time, so that no statement
takes longer than a reader may wait, however many orders there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions
from common.errors import Invalid
from orders.finding import ALL
from orders.models import Order, Placement, Status
from orders.schemas import DayStats, StatsQuery, StatsView, StatusStats

USUAL_DAYS = 30
LONGEST = timedelta(days=366, milliseconds=1)
SLICE = timedelta(days=31)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
"""The finest time that a table keeps."""


@dataclass
class Tally:
    """Orders that were counted, and what they came to."""

    count: int = 0
    revenue: Decimal = Decimal(0)

    def add(self, count: int, revenue: Decimal) -> None:
        """Count some more."""
        self.count += count
        self.revenue += revenue


def sum_up(sessions: Sessions, query: StatsQuery, currency: str) -> StatsView:
    """Counts and revenue of the time that is asked for. Raises Invalid for one that is too long, or none."""
    begin, end = _span(query)
    all_of_it, by_status, by_day = Tally(), defaultdict[str, Tally](Tally), defaultdict[date, Tally](Tally)
    with sessions.begin() as session:
        for day, status, count, total in _sums(session, begin, end):
            revenue = Decimal(0) if status == Status.CANCELLED else total
            for tally in (all_of_it, by_status[status], by_day[day]):
                tally.add(count, revenue)
    return StatsView(
        from_at=begin,
        to_at=end,
        currency=currency,
        count=all_of_it.count,
        revenue=all_of_it.revenue,
        by_status=[StatusStats(status=s, **vars(by_status[s])) for s in Status],
        by_day=[DayStats(day=day, **vars(by_day[day])) for day in _days(begin, end)],
    )


def _span(query: StatsQuery) -> tuple[datetime, datetime]:
    moment = now()
    end = query.created_to or max(moment, query.created_from or moment)
    begin = query.created_from or _midnight(end) - (USUAL_DAYS - 1) * DAY
    check_range(begin, end)
    if end - begin > LONGEST:
        raise Invalid(f"ask for at most {LONGEST.days} days", code="range_too_long")
    return begin.astimezone(UTC), end.astimezone(UTC)


def check_range(begin: datetime | None, end: datetime | None) -> None:
    """Raise Invalid when the time asked for ends before it begins."""
    if begin is not None and end is not None and begin > end:
        raise Invalid("created_from lies after created_to", code="invalid_range")


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC), time(), UTC)


def _days(begin: datetime, end: datetime) -> Iterator[date]:
    day = begin.date()
    while day <= end.date():
        yield day
        day += DAY


def _sums(session: Session, begin: datetime, end: datetime) -> Iterable[Any]:
    """Day, status, number and total of what was ordered, slice by slice."""
    day = func.date(Order.created_at)
    summed = (
        select(day, Order.status, func.count(), func.sum(Order.total))
        .with_hint(Order, f"FORCE INDEX ({ALL})")
        .where(Order.placement == Placement.PLACED)
        .group_by(day, Order.status)
    )
    while begin <= end:
        last = min(begin + SLICE - TICK, end)
        yield from session.execute(summed.where(Order.created_at.between(begin, last)))
        begin = last + TICK
