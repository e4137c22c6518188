"""The pool's room: what a connection from the pool costs beside its statements, which is nearly nothing.

SQLAlchemy asks a connection whether it lives each time it is handed out and rolls back each time it returns: two round
trips for every transaction, as many as a small one has of its own.
"""

import math
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError

REST_S = 0.5
"""A connection that was in use so short a time ago is taken to live, as other pools do (HikariCP, for as long)."""

RETURNED = "returned"
OPEN = "open"
"""Keys in a connection's `info`: when it last returned; whether a transaction may be open on it."""


def spare_round_trips(engine: Engine) -> None:
    """Ask a connection whether it lives only when it has rested, and roll back only what nobody has ended."""
    database = engine.dialect

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, _: object) -> None:
        if time.monotonic() - record.info.get(RETURNED, math.inf) > REST_S:
            try:
                database.do_ping(connection)
            except database.loaded_dbapi.Error as error:
                raise InvalidatePoolError from error

    @event.listens_for(engine, "reset")
    def give_back(connection: Any, record: Any, _: object) -> None:
        if record.info.pop(OPEN, False):
            database.do_rollback(connection)
        record.info[RETURNED] = time.monotonic()

    event.listen(engine, "begin", partial(_note, is_open=True))
    event.listen(engine, "commit", partial(_note, is_open=False))
    event.listen(engine, "rollback", partial(_note, is_open=False))
    event.listen(engine, "handle_error", _failed)


def _note(connection: Connection, *, is_open: bool) -> None:
    if not connection.invalidated:
        connection.info[OPEN] = is_open


def _failed(context: ExceptionContext) -> None:
    """A commit that failed has ended nothing."""
    if context.connection is not None:
        _note(context.connection, is_open=True)
