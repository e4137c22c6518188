"""The rebuilding room: the counts built anew out of orders' own data, beside those that are told, while events go on.

A generation of counts begins by being noted in the stream's row. From then on each batch puts its sales aside as well.
Then orders is asked for all orders, page by page; of each it tells the version, which is that of the last event said of
it, and the version is kept. What is in the counts at the end are

- all orders as their pages said, and
- of what was put aside that which is of a later version than the order's page, or of an order that was in no page.

That is each event once: whatever was heard before the beginning had been committed at orders before, so the pages,
which were read later, hold it. Whatever was heard after the beginning was put aside, and its version tells whether the
page held it. Whatever is heard after the end is asked the same: an event up to the kept version is in the counts
already, be it that it was on its way for long or lay with the dead letters.

What the pages say is added up in memory: a rebuild that dies is begun again, never gone on with, so nobody misses it.
It is no more than every process has on its board, and the spans beside it. What grows with the orders is in a table.

Where the orders stand becomes known in the transaction that puts the counts in place, or not at all: of what is known
no step is told any more, so those who listen must begin anew with it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, cast
from uuid import UUID

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict
from common.ids import made_at, new_id
from common.outbox import KEEP_HEARD
from common.tidying import drop_all
from realtime.clients import Order, Orders
from realtime.models import COUNTS, CountedOrder, Heard, Sold, SoldIn, Stream
from realtime.news import Sale
from realtime.noting import CANCELLED, note_standing
from realtime.ranking import Spans, by_spans, span_rows
from realtime.usecases import Turn, take_turn

COUNTED, HEARD, SOLD, SOLD_IN, STREAM = (
    cast(Table, entity.__table__) for entity in (CountedOrder, Heard, Sold, SoldIn, Stream)
)

PAGE = 500
GIVEN_UP_AFTER = timedelta(hours=6)
"""A rebuild that has not said by then how it ended has died; batches need not put anything aside for it any more."""
KEPT = KEEP_HEARD
"""How long late events are known by their orders' versions: as long as repeated ones are by their ids."""


@dataclass(frozen=True)
class Tally:
    """What is sold of each product, in all and in each span that is asked for."""

    sold: Counter[int] = field(default_factory=Counter)
    sold_in: Spans = field(default_factory=Counter)

    def add(self, sales: Iterable[Sale]) -> Self:
        """Add these."""
        changes, by_time = summed(sales)
        self.sold.update(changes)
        self.sold_in.update(by_spans(by_time))
        return self

    def copy(self) -> "Tally":
        """Another that is the same as yet."""
        return Tally(self.sold.copy(), self.sold_in.copy())


def sift(session: Session, turn: Turn, sales: Sequence[Sale]) -> list[Sale]:
    """Put a batch's sales aside for the rebuild that goes on; those of them that the present counts do not hold yet."""
    if turn.rebuild is not None and sales:
        session.execute(insert(HEARD), [{"generation": turn.rebuild, **sale._asdict()} for sale in sales])
    if turn.counted is None or not sales:
        return list(sales)
    known = select(COUNTED.c.order_id, COUNTED.c.version).where(COUNTED.c.generation == turn.counted)
    rows = session.execute(known.where(COUNTED.c.order_id.in_({sale.order_id for sale in sales})))
    counted: dict[UUID, int] = {row.order_id: row.version for row in rows}
    return [sale for sale in sales if sale.version > counted.get(sale.order_id, 0)]


def summed(sales: Iterable[Sale]) -> tuple[Counter[int], Counter[tuple[datetime, int]]]:
    """The change of each product, and of each by the time its order was placed."""
    changes: Counter[int] = Counter()
    by_time: Counter[tuple[datetime, int]] = Counter()
    for sale in sales:
        changes[sale.product_id] += sale.units
        by_time[sale.placed_at, sale.product_id] += sale.units
    return changes, by_time


def rebuild_counts(sessions: Sessions, orders: Orders) -> int:
    """Build all counts anew; how many orders there were. Raises Unavailable, or Conflict when another one has begun.

    The streams get new ids, so whoever listens connects again and is told everything as a reset.
    """
    generation = _begin(sessions)
    try:
        tally, count, last = Tally(), 0, None
        while page := orders.page(last, PAGE):
            _keep(sessions, generation, page)
            tally.add(sale for order in page for sale in _sales(order))
            count, last = count + len(page), page[-1].id
        _put_in_place(sessions, generation, tally)
    except BaseException:
        _give_up(sessions, generation)
        raise
    return count


@retried
def _begin(sessions: Sessions) -> UUID:
    generation = new_id()
    with sessions.begin() as session:
        take_turn(session)
        session.execute(update(STREAM).where(STREAM.c.id == COUNTS).values(rebuild=generation))
    return generation


@retried
def _give_up(sessions: Sessions, generation: UUID) -> None:
    """Nothing has come of it; batches need not put anything aside for it any more."""
    mine = (STREAM.c.id == COUNTS) & (STREAM.c.rebuild == generation)
    with sessions.begin() as session:
        session.execute(update(STREAM).where(mine).values(rebuild=None))


@retried
def _keep(sessions: Sessions, generation: UUID, page: Sequence[Order]) -> None:
    """Keep which version of each order of a page is counted, and where it stood."""
    with sessions.begin() as session:
        _check(take_turn(session), generation)
        session.execute(insert(COUNTED), [{"generation": generation, **_kept(order)} for order in page])


def _kept(order: Order) -> dict[str, Any]:
    same = {name: getattr(order, name) for name in ("version", "user_id", "number", "status")}
    return {"order_id": order.id, "at": order.updated_at, **same}


def _sales(order: Order) -> list[Sale]:
    """What has come of an order; one that is cancelled has been sold and taken back."""
    placed_at = made_at(order.id) or order.updated_at
    sign = 0 if order.status == CANCELLED else 1
    return [Sale(order.id, order.version, placed_at, it.product_id, sign * it.quantity) for it in order.lines]


@retried
def _put_in_place(sessions: Sessions, generation: UUID, tally: Tally) -> None:
    """Let the counts be those of this generation, with all that was heard meanwhile.

    Each stream skips a number, which nobody passes over in silence: every process reads everything anew.
    """
    with sessions.begin() as session:
        _check(take_turn(session), generation)
        whole = tally.copy().add(_later(session, generation))
        _replace(session, SOLD, [{"product_id": it, "sold": whole.sold[it]} for it in sorted(whole.sold)])
        _replace(session, SOLD_IN, span_rows(whole.sold_in))
        note_standing(session, generation)
        for stream in session.scalars(select(Stream)):
            stream.name, stream.seq = new_id(), stream.seq + 1
            if stream.id == COUNTS:
                stream.rebuild, stream.counted = None, generation


def _replace(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    session.execute(delete(table))
    if rows:
        session.execute(insert(table), rows)


def _later(session: Session, generation: UUID) -> list[Sale]:
    """What was heard meanwhile and is in no page."""
    page = (COUNTED.c.generation == HEARD.c.generation) & (COUNTED.c.order_id == HEARD.c.order_id)
    wanted = select(*(HEARD.c[name] for name in Sale._fields)).select_from(HEARD.outerjoin(COUNTED, page))
    later = HEARD.c.version > func.coalesce(COUNTED.c.version, 0)
    return [Sale(*row) for row in session.execute(wanted.where(HEARD.c.generation == generation, later))]


def _check(turn: Turn, generation: UUID) -> None:
    if turn.rebuild != generation:
        raise Conflict("another rebuild has begun meanwhile, or this one took too long", code="rebuild_superseded")


def forget_rebuilds(sessions: Sessions) -> None:
    """Give up a rebuild that has died, and drop what generations leave behind.

    What is there is looked at before what is needed: a generation that begins in between is then not among it, and one
    that was there and is not needed never will be.
    """
    there = {table: _generations(sessions, table) for table in (COUNTED, HEARD)}
    turn = _let_go(sessions)
    for table, generations in there.items():
        for generation in generations - {turn.rebuild, turn.counted if table is COUNTED else None}:
            drop_all(sessions, table, table.c.generation == generation)


@retried
def _let_go(sessions: Sessions) -> Turn:
    with sessions.begin() as session:
        turn = take_turn(session)
        still = Turn(_if_young(turn.rebuild, GIVEN_UP_AFTER), _if_young(turn.counted, KEPT))
        if still != turn:
            session.execute(update(STREAM).where(STREAM.c.id == COUNTS).values(still._asdict()))
        return still


def _if_young(generation: UUID | None, most: timedelta) -> UUID | None:
    begun = made_at(generation) if generation is not None else None
    return generation if begun is not None and begun > now() - most else None


def _generations(sessions: Sessions, table: Table) -> set[UUID | None]:
    with sessions.begin() as session:
        return set(session.scalars(select(table.c.generation).distinct()))
