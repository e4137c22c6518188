"""The pool's room: what a connection from the pool costs beside its statements, which is nearly nothing.

SQLAlchemy asks a connection whether it lives each time it is handed out and rolls back each time it returns: two round
trips for every transaction, as many as a small one has of its own. PyMySQL reads all certificates of the machine for
every connection that it opens: 48 ms of CPU, which a crowd that needs more connections than rest in the pool would wait
for.
"""

import math
import ssl
import time
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import pymysql
from sqlalchemy import Connection as Leased
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError

REST_S = 0.5
"""A connection that was in use so short a time ago is taken to live, as other pools do (HikariCP, for as long)."""

RETURNED = "returned"
OPEN = "open"
"""Keys in a connection's `info`: when it last returned; whether a transaction may be open on it."""


class Connection(pymysql.Connection):
    """PyMySQL's, with one TLS context for all that name no authority; like its own, that checks no certificate."""

    def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
        made: ssl.SSLContext = super()._create_ssl_ctx(options) if options else _unchecked()  # type: ignore[misc]
        return made


@cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def open_cheaply(engine: Engine) -> None:
    """Open the engine's connections without reading certificates that nothing is checked against."""

    @event.listens_for(engine, "do_connect")
    def connect(_: object, __: object, arguments: Sequence[Any], options: dict[str, Any]) -> Connection:
        return Connection(*arguments, **options)


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


def _note(connection: Leased, *, is_open: bool) -> None:
    if not connection.invalidated:
        connection.info[OPEN] = is_open


def _failed(context: ExceptionContext) -> None:
    """A commit that failed has ended nothing."""
    if context.connection is not None:
        _note(context.connection, is_open=True)
