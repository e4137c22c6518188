"""The leases' tests: one holds the lock at a time, and whoever is cancelled leaves it to the next."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from common.leases import Lease
from common.testing.waiting import eventually

NAME = "stoa.test.lease"


async def take_it(engine: Engine) -> bool:
    async with Lease(engine, NAME) as lease:
        return await lease.taken()


@pytest.fixture
def is_free(schema: str) -> Iterator[Callable[[], bool]]:
    """Whether nobody holds the lock, as seen over a connection that cannot be a holder's."""
    outside = create_engine(schema)

    def look() -> bool:
        with outside.connect() as connection:
            return connection.execute(text(f"SELECT IS_FREE_LOCK('{NAME}')")).scalar() == 1

    yield look
    outside.dispose()


def test_one_has_it_until_it_lets_go(engine: Engine, is_free: Callable[[], bool]) -> None:
    async def hold() -> list[bool]:
        async with Lease(engine, NAME) as first, Lease(engine, NAME) as second:
            return [await first.taken(), await second.taken()]

    assert asyncio.run(hold()) == [True, False]
    eventually(is_free)


def test_who_has_lost_it_is_told(engine: Engine, kill: Callable[[int], None], is_free: Callable[[], bool]) -> None:
    numbers: list[int] = []
    event.listen(engine, "connect", lambda connection, _: numbers.append(connection.thread_id()))

    async def lose(killed: bool) -> None:
        async with Lease(engine, NAME) as lease:
            assert await lease.taken()
            if killed:
                kill(numbers[-1])
            await lease.check()

    asyncio.run(lose(killed=False))
    with pytest.raises(Exception, match="gone|Lost connection|killed"):
        asyncio.run(lose(killed=True))
    eventually(is_free)


@pytest.mark.parametrize("moment", ["before_cursor_execute", "after_cursor_execute"])
def test_who_is_cancelled_while_taking_it_lets_go_when_that_is_over(
    engine: Engine, is_free: Callable[[], bool], moment: str
) -> None:
    """The statement goes on in its thread, before or after the lock is its own; nobody touches its connection."""
    under_way, go_on, let_go = threading.Event(), threading.Event(), threading.Event()
    let_go_beside: list[bool] = []

    def stop_here(*args: Any) -> None:
        if "GET_LOCK" in args[2]:
            under_way.set()
            go_on.wait(20)
            let_go_beside.append(let_go.is_set())

    async def cancel() -> None:
        taking = asyncio.create_task(take_it(engine))
        await asyncio.to_thread(under_way.wait, 20)
        taking.cancel()
        await asyncio.to_thread(let_go.wait, 0.3)  # in vain
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await taking

    event.listen(engine, moment, stop_here)
    event.listen(engine, "invalidate", lambda *_: let_go.set())
    asyncio.run(cancel())
    eventually(is_free)
    assert (let_go_beside, let_go.is_set()) == ([False], True)


def test_who_is_cancelled_while_letting_go_lets_go_all_the_same(engine: Engine, is_free: Callable[[], bool]) -> None:
    """However busy the process's other threads are."""
    over = threading.Event()

    async def leave() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        asyncio.get_running_loop().run_in_executor(None, over.wait, 20)
        try:
            async with Lease(engine, NAME) as lease:
                assert await lease.taken()
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
        finally:
            over.set()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leave())
    eventually(is_free)
