"""The questions' room: the counts at one moment, and the log from a number on."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.database import Sessions
from realtime.board import Board, Count
from realtime.models import ONLY, LogEntry, Sold, Stream

CHUNK = 1000
"""Messages read at once."""


class Log:
    """What the schema says, for the audience."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def board(self) -> Board:
        """All counts with the number they belong to, as of one moment."""
        with self._sessions.begin() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            stream = session.execute(select(Stream).where(Stream.id == ONLY)).scalar_one()
            counts = session.execute(select(Sold.product_id, Sold.sold).order_by(Sold.product_id))
            return Board(str(stream.name), stream.seq, {product: max(sold, 0) for product, sold in counts})

    def log(self, after: int, up_to: int | None = None) -> tuple[int, list[Count]]:
        """The stream's newest number, and the messages after a number, at most a chunk and none after `up_to`."""
        with self._sessions.begin() as session:
            head = session.execute(select(Stream.seq).where(Stream.id == ONLY)).scalar_one()
            return head, _entries(session, after, up_to)


def _entries(session: Session, after: int, up_to: int | None) -> list[Count]:
    wanted = select(LogEntry.seq, LogEntry.product_id, LogEntry.sold_count).where(LogEntry.seq > after)
    if up_to is not None:
        wanted = wanted.where(LogEntry.seq <= up_to)
    return [Count(*row) for row in session.execute(wanted.order_by(LogEntry.seq).limit(CHUNK))]
