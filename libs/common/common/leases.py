"""The leases' room: what one process of a service may do at a time, by an advisory lock that its database keeps."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, text

Answer = TypeVar("Answer")


class Lease:
    """An advisory lock on a connection of its own; leaving the block lets it go, whoever is cancelled meanwhile.

    One thread does all of it, one after the other. Letting go from another, beside a call that its cancelled owner has
    left behind, or a letting go that is itself cancelled, gave the connection back to the pool with its lock: nobody
    else got that as long as the process lived.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        closed = self._thread.submit(self._let_go)
        self._thread.shutdown(wait=False)  # what was handed in is done
        await asyncio.shield(asyncio.wrap_future(closed))

    async def taken(self) -> bool:
        """Whether the lock is ours now; does not wait for it."""
        return await self._done(self._take)

    async def check(self) -> None:
        """Raise ConnectionError unless the lock is still ours."""
        await self._done(self._still_held)

    async def _done(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _take(self) -> bool:
        if self._connection is None:
            self._connection = self._engine.connect()
        return take(self._connection, self._name)

    def _still_held(self) -> None:
        if self._connection is None or not is_held(self._connection, self._name):
            raise ConnectionError("the lock is gone")

    def _let_go(self) -> None:
        if self._connection is not None:
            let_go(self._connection)


def take(connection: Connection, name: str) -> bool:
    """Whether the lock is this connection's now; does not wait for it."""
    got = connection.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": name}).scalar()
    connection.commit()
    return got == 1


def is_held(connection: Connection, name: str) -> bool:
    """Whether the lock is still this connection's."""
    held = connection.execute(text("SELECT IS_USED_LOCK(:name) = CONNECTION_ID()"), {"name": name}).scalar()
    connection.commit()
    return held == 1


def let_go(connection: Connection) -> None:
    """Close for good: the lock goes with the connection, which must not return to the pool holding it."""
    connection.invalidate()
    connection.close()
