"""The questions' room: the counts and the orders at one moment, and the logs from a number on."""

from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.database import Sessions
from realtime.board import Board, Count, Position
from realtime.models import COUNTS, ORDERS, LogEntry, OrderEntry, OrderState, Sold, Stream
from realtime.news import Standing, Step

CHUNK = 1000
"""Messages read at once."""
MOST_STANDING = 100
"""Orders in a snapshot; the others are where orders are listed, a page at a time."""


class Log:
    """What the schema says, for the audience."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def board(self) -> Board:
        """All counts with the number they belong to, as of one moment."""
        with self._sessions.begin() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            stream = session.execute(select(Stream).where(Stream.id == COUNTS)).scalar_one()
            counts = session.execute(select(Sold.product_id, Sold.sold).order_by(Sold.product_id))
            return Board(str(stream.name), stream.seq, {product: max(sold, 0) for product, sold in counts})

    def log(self, after: int, up_to: int | None = None) -> tuple[int, list[Count]]:
        """The stream's newest number, and the messages after a number, at most a chunk and none after `up_to`."""
        with self._sessions.begin() as session:
            head = session.execute(select(Stream.seq).where(Stream.id == COUNTS)).scalar_one()
            return head, _entries(session, after, up_to)


def _entries(session: Session, after: int, up_to: int | None) -> list[Count]:
    wanted = select(LogEntry.seq, LogEntry.product_id, LogEntry.sold_count).where(LogEntry.seq > after)
    if up_to is not None:
        wanted = wanted.where(LogEntry.seq <= up_to)
    return [Count(*row) for row in session.execute(wanted.order_by(LogEntry.seq).limit(CHUNK))]


class OrderLog:
    """What the schema says of orders, for the desk."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def position(self) -> Position:
        """The stream and its newest number."""
        with self._sessions.begin() as session:
            stream = session.execute(select(Stream).where(Stream.id == ORDERS)).scalar_one()
            return Position(str(stream.name), stream.seq)

    def log(self, after: int) -> tuple[int, list[Step]]:
        """The stream's newest number, and the messages after a number, at most a chunk."""
        with self._sessions.begin() as session:
            head = _head(session)
            return head, _steps(session, OrderEntry.seq > after)

    def missed(self, owner: UUID | None, after: int, up_to: int) -> tuple[int, list[Step]] | None:
        """An owner's messages after a number, at most a chunk, and the number up to which these are all.

        None where some have been dropped. That is looked at last: nothing was missing before that is not missing then.
        """
        with self._sessions.begin() as session:
            steps = _steps(session, OrderEntry.seq > after, OrderEntry.seq <= up_to, _of(OrderEntry.user_id, owner))
            oldest = session.scalar(select(func.min(OrderEntry.seq)))
            if oldest is None or oldest > after + 1:
                return None
            return (up_to if len(steps) < CHUNK else steps[-1].seq), steps

    def standing(self, owner: UUID | None) -> tuple[int, list[Standing]]:
        """The stream's newest number, and the orders that moved last, as of that moment, the newest first."""
        wanted = select(OrderState.order_id, OrderState.number, OrderState.status, OrderState.at)
        newest = wanted.where(_of(OrderState.user_id, owner)).order_by(OrderState.at.desc()).limit(MOST_STANDING)
        with self._sessions.begin() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            return _head(session), [Standing(*row) for row in session.execute(newest)]


def _head(session: Session) -> int:
    head: int = session.execute(select(Stream.seq).where(Stream.id == ORDERS)).scalar_one()
    return head


def _of(column: InstrumentedAttribute[UUID], owner: UUID | None) -> ColumnElement[bool]:
    return true() if owner is None else column == owner


def _steps(session: Session, *which: ColumnElement[bool]) -> list[Step]:
    columns = [getattr(OrderEntry, name) for name in Step._fields]
    rows = session.execute(select(*columns).where(*which).order_by(OrderEntry.seq).limit(CHUNK))
    return [Step(*row) for row in rows]
