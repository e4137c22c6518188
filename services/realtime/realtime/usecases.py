"""The use cases' room: counting what was sold, and keeping the log short."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Column, Table, func, insert, select, update
from sqlalchemy.dialects.mysql import insert as upsert
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions, retried
from common.ids import new_id
from common.outbox import PURGE_CHUNK, inbox, purge
from common.tidying import drop_all
from realtime.board import Count
from realtime.models import COUNTS, ORDERS, LogEntry, OrderEntry, Sold, Stream

SOLD, STREAM, LOG, ORDER_LOG = (cast(Table, entity.__table__) for entity in (Sold, Stream, LogEntry, OrderEntry))

WINDOW_ROWS = 100_000
WINDOW = timedelta(hours=1)
"""What can be replayed: at most so many messages, none older than that (design: public surface, section 7)."""


_counts = select(SOLD.c.product_id, SOLD.c.sold).order_by(SOLD.c.product_id)


class Turn(NamedTuple):
    """The generations of counts: the one that is being built beside the present one, and the present one."""

    rebuild: UUID | None
    counted: UUID | None


def take_turn(session: Session) -> Turn:
    """Let nobody else write counts or where orders stand before the caller's transaction has ended."""
    row = select(STREAM.c.rebuild, STREAM.c.counted).where(STREAM.c.id == COUNTS)
    return Turn(*session.execute(row.with_for_update()).one())


def count_sold(session: Session, changes: Mapping[int, int]) -> list[Count]:
    """Add to the products' counts and log each new count under the stream's next numbers, in the caller's transaction.

    What was logged, which is true once that is committed. Products are written in the order of their ids, so that two
    processes cannot wait for each other.
    """
    moved = {product: changes[product] for product in sorted(changes) if changes[product]}
    if not moved:
        return []
    add_up(session, SOLD, [{"product_id": product, "sold": change} for product, change in moved.items()])
    sold = session.execute(_counts.where(SOLD.c.product_id.in_(moved))).all()
    first = advance(session, COUNTS, len(sold)) - len(sold) + 1
    counts = [Count(seq, product, max(units, 0)) for seq, (product, units) in enumerate(sold, first)]
    moment = now()
    session.execute(insert(LOG), [count._asdict() | {"at": moment} for count in counts])
    return counts


def add_up(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add what is `sold` in each row to what is in the row of the same key, and to nothing else."""
    if rows:
        new = upsert(table)
        session.execute(new.on_duplicate_key_update(sold=table.c.sold + new.inserted.sold), rows)


def advance(session: Session, stream: int, by: int) -> int:
    """Take the next numbers; the row stays locked until the commit. The last of them, which comes with the answer."""
    taken = update(STREAM).where(STREAM.c.id == stream).values(seq=func.last_insert_id(STREAM.c.seq + by))
    last: int = session.connection().execute(taken).lastrowid
    return last


def tidy(sessions: Sessions) -> None:
    """Drop what has left the window, and inbox rows past their time, a chunk per transaction."""
    for stream, log, at in ((COUNTS, LOG, LOG.c.at), (ORDERS, ORDER_LOG, ORDER_LOG.c.logged_at)):
        drop_all(sessions, log, log.c.seq <= _last_outside(sessions, stream, log, at))
    while _purge_inbox(sessions) == PURGE_CHUNK:
        pass


def _last_outside(sessions: Sessions, stream: int, log: Table, at: Column[datetime]) -> int:
    """The number of the last message that is not within the window."""
    with sessions.begin() as session:
        head: int = session.execute(select(Stream.seq).where(Stream.id == stream)).scalar_one()
        aged: int = session.scalar(select(func.max(log.c.seq)).where(at < now() - WINDOW)) or 0
        return max(head - WINDOW_ROWS, aged)


@retried
def _purge_inbox(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return purge(session, inbox)


def rename_streams(session: Session) -> None:
    """Let whoever listens begin anew: these streams have gone back, and their next numbers were told before."""
    for stream in session.scalars(select(Stream).with_for_update()):
        stream.name, stream.seq = new_id(), stream.seq + 1
