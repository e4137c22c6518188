"""The coalescer's room: while one batch is on its way the next gathers, so that a hot path pays its costs per batch.

At low load a batch is one item and waits for nothing (design: performance, section 2).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Generic, TypeVar

import structlog

from common.database import is_gone
from common.errors import Problem, Unavailable

log = structlog.get_logger(__name__)

CROWD = 4
"""Items of a batch from which on the next waits for company."""

Item = TypeVar("Item")
Result = TypeVar("Result")


Waiting = tuple[Item, asyncio.Future[Result], Context]
Work = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Problem]]]


def in_threads(work: Callable[[Sequence[Item]], Sequence[Result | Problem]], number: int = 1) -> Work[Item, Result]:
    """The work done in threads of its own, as many as batches may be on their way; in the context of who waits."""
    threads = ThreadPoolExecutor(number, thread_name_prefix="coalescer")

    async def work_in_thread(items: Sequence[Item]) -> Sequence[Result | Problem]:
        return await asyncio.get_running_loop().run_in_executor(threads, copy_context().run, work, items)

    return work_in_thread


class Coalescer(Generic[Item, Result]):
    """Gathers items and works on up to `most` of them at once, with `in_flight` batches on their way.

    `work` returns a result or a Problem for each item, in order. When it raises instead, the batch is run again item by
    item, so that one cannot spoil the others; it must therefore be safe to repeat. Only when what all of them need is
    away (Unavailable, the database gone) does that one failure answer them all.

    A batch is worked on in the context of its first item: its logs and calls are that request's.

    After the batch of a crowd the next one leaves `pause_s` later, so that those who were answered and come again at
    once leave with those who came meanwhile, and not by turns.
    """

    def __init__(
        self,
        work: Work[Item, Result],
        *,
        most: int = 64,
        in_flight: int = 1,
        waiting: int = 2000,
        pause_s: float = 0.0,
    ) -> None:
        self._work = work
        self._most = most
        self._free = in_flight
        self._waiting = waiting
        self._pause_s = pause_s
        self._queue: deque[Waiting[Item, Result]] = deque()
        self._batches: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """The item's own result; raises its own Problem, or Unavailable when too many wait already."""
        if len(self._queue) >= self._waiting:
            raise Unavailable("too much is waiting already; try again shortly", code="overloaded")
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, result, copy_context()))
        self._start()
        return await result

    def _start(self) -> None:
        while self._queue and self._free:
            batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
            self._free -= 1
            task = asyncio.create_task(self._run(batch), context=batch[0][2])
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _run(self, batch: list[Waiting[Item, Result]]) -> None:
        try:
            outcomes = await self._settle([item for item, _, _ in batch])
            for (_, future, _), outcome in zip(batch, outcomes, strict=True):
                _tell(future, outcome)
            if len(batch) >= CROWD and len(self._queue) < self._most:
                await asyncio.sleep(self._pause_s)
        except BaseException:
            for _, future, _ in batch:
                _tell(future, Unavailable("this service is stopping; try again shortly"))
            raise
        finally:
            self._free += 1
            self._start()

    async def _settle(self, items: Sequence[Item]) -> list[Result | BaseException]:
        try:
            outcomes: list[Result | BaseException] = list(await self._work(items))
            if len(outcomes) != len(items):
                raise RuntimeError(f"{len(items)} items came to {len(outcomes)} results")
            return outcomes
        except Exception as error:
            if len(items) == 1 or is_gone(error) or isinstance(error, Unavailable):
                return [error] * len(items)
            log.info("batch_taken_apart", size=len(items), error=repr(error))
        return [outcome for item in items for outcome in await self._settle([item])]


def _tell(future: asyncio.Future[Result], outcome: Result | BaseException) -> None:
    if future.done():  # the caller has gone
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
