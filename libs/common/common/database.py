"""The database's room: engine, sessions, column types and which errors are worth another try."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import stamina
from sqlalchemy import BINARY, Dialect, Engine, MetaData, create_engine, text
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from common.pooling import open_cheaply, spare_round_trips

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
TABLE_OPTIONS: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_unicode_520_ci"}
EXACT = "utf8mb4_bin"
"""Collation of columns that are compared to the letter (SKUs, tokens); known to MariaDB and MySQL alike."""

TRY_AGAIN = frozenset({1020, 1205, 1213, 3572})
"""Snapshot conflict, lock wait time-out, deadlock, NOWAIT refused: the whole transaction may run again."""
GONE = frozenset({1040, 1047, 1053, 1129, 1203, 1226, 1290, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031})
"""The server cannot be reached, is shutting down, takes no writes, has no connection left or has cut ours; with 1047 a
Galera node says that it is cut off from the majority of its cluster."""

P = ParamSpec("P")
T = TypeVar("T")
Sessions = sessionmaker[Session]


class LostRace(Exception):
    """Raised in a transaction that found another one ahead of it; run again, it will see what that one wrote."""


class Uuid(TypeDecorator[UUID]):
    """A UUID in 16 bytes; the same on MariaDB and MySQL, where the generic type differs."""

    impl = BINARY(16)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.bytes

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> UUID | None:
        return None if value is None else UUID(bytes=value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in code, UTC to the microsecond in the table."""

    impl = DATETIME(fsp=6)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def new_metadata() -> MetaData:
    """Metadata with Stoa's constraint names; every service has its own."""
    return MetaData(naming_convention=NAMING)


def new_engine(url: str, *, pool_size: int = 10, read_timeout_s: int = 5) -> Engine:
    """An engine whose every wait has an end: connect 2 s, read and write 5 s, row locks 3 s, a free connection 1 s."""
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=4,
        pool_timeout=1,
        pool_recycle=300,
        pool_use_lifo=True,
        pool_reset_on_return=None,
        **_every_connection(read_timeout_s),
    )
    open_cheaply(engine)
    spare_round_trips(engine)
    return engine


def new_side_engine(engine: Engine) -> Engine:
    """The same database by connections of one use each: for who must get on while the pool is in use to the last."""
    beside = create_engine(engine.url, poolclass=NullPool, **_every_connection(5))
    open_cheaply(beside)
    return beside


def _every_connection(read_timeout_s: int) -> dict[str, Any]:
    session = "SET SESSION innodb_lock_wait_timeout=3, time_zone='+00:00'"
    waits = {"connect_timeout": 2, "read_timeout": read_timeout_s, "write_timeout": 5}
    return {
        "isolation_level": "READ COMMITTED",
        "hide_parameters": True,
        "connect_args": waits | {"init_command": session},
    }


def new_sessions(engine: Engine) -> Sessions:
    """Sessions whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def opened(url: str, read_timeout_s: int = 5) -> Iterator[tuple[Engine, Sessions]]:
    """A database for one piece of work at a terminal; its connections are closed at the end."""
    engine = new_engine(url, pool_size=1, read_timeout_s=read_timeout_s)
    try:
        yield engine, new_sessions(engine)
    finally:
        engine.dispose()


def error_number(error: BaseException) -> int | None:
    """The server's number of a database error, None for any other exception."""
    if not isinstance(error, DBAPIError) or error.orig is None or not error.orig.args:
        return None
    number = error.orig.args[0]
    return number if isinstance(number, int) else None


def is_conflict(error: Exception) -> bool:
    """Whether the transaction lost against another one and may run again from its start."""
    return isinstance(error, LostRace) or error_number(error) in TRY_AGAIN


def is_gone(error: BaseException) -> bool:
    """Whether the database could not be reached, as against having refused a statement."""
    if isinstance(error, PoolTimeout):
        return True
    return isinstance(error, DBAPIError) and (error.connection_invalidated or error_number(error) in GONE)


def retried(work: Callable[P, T]) -> Callable[P, T]:
    """Run a use case again, from its start, when its transaction lost a deadlock or a lock wait; three times at most.

    The use case must be one transaction and nothing else: 1205 rolls back only a statement, so it is always the
    whole that is repeated (design: reliability, fact 7).
    """
    again = stamina.retry(on=is_conflict, attempts=4, timeout=15, wait_initial=0.01, wait_max=0.08, wait_jitter=0.03)
    return again(work)


def ping(engine: Engine) -> None:
    """Raise unless the database answers."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def affected(result: Any) -> int:
    """How many rows a statement changed (matched, as PyMySQL reports it for SQLAlchemy)."""
    count: int = result.rowcount
    return count
