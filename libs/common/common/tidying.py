"""The room of tidying: what is past its time goes a chunk per transaction, so that nobody waits long for its locks."""

from sqlalchemy import ColumnElement, Table, delete

from common.database import Sessions, affected, retried

CHUNK = 1000


def drop_all(sessions: Sessions, table: Table, which: ColumnElement[bool], chunk: int | None = None) -> None:
    """Drop these rows, `chunk` per transaction, or as many as is usual."""
    most = chunk or CHUNK
    while _drop_some(sessions, table, which, most) == most:
        pass


@retried
def _drop_some(sessions: Sessions, table: Table, which: ColumnElement[bool], most: int) -> int:
    some = delete(table).where(which).with_dialect_options(mysql_limit=most)
    with sessions.begin() as session:
        return affected(session.execute(some))
