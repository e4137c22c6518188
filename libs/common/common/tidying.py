"""The room of tidying: what is past its time goes a chunk per transaction, so that nobody waits long for its locks."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, Table, delete
from sqlalchemy.orm import Session

from common.database import Sessions, affected, retried

CHUNK = 1000

TakeTurn = Callable[[Session], object]
"""Takes the lock that all who write a table take first, in the caller's transaction."""


def drop_all(
    sessions: Sessions, table: Table, which: ColumnElement[bool], chunk: int | None = None, turn: TakeTurn | None = None
) -> None:
    """Drop these rows, `chunk` per transaction, or as many as is usual; each in its turn where there are turns."""
    most = chunk or CHUNK
    while _drop_some(sessions, table, which, most, turn) == most:
        pass


@retried
def _drop_some(sessions: Sessions, table: Table, which: ColumnElement[bool], most: int, turn: TakeTurn | None) -> int:
    some = delete(table).where(which).with_dialect_options(mysql_limit=most)
    with sessions.begin() as session:
        if turn is not None:
            turn(session)
        return affected(session.execute(some))
