"""The background's room: work that goes on beside the requests, and comes back when it breaks."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, Protocol

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
"""Back-off of broken background work (design: reliability 3.3)."""
CANCEL_AGAIN_S = 5.0
CANCEL_WITHIN_S = 1.0
"""The same for parts of one work: they must be gone before that itself is told again."""

BREAKS = Counter("stoa_background_breaks_total", "Times that background work broke and was begun again", ["work"])


class Background(Protocol):
    """Something that a web process keeps running as long as it serves."""

    name: str

    async def run(self) -> None:
        """Work until cancelled."""


async def keep_running(work: Background) -> None:
    """Run it again whenever it ends or breaks, with a growing, jittered pause; ends only by cancellation."""
    pause = FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    breaks = BREAKS.labels(work.name)
    while True:
        started = loop.time()
        try:
            await work.run()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log.warning("background_cancelled_from_outside", work=work.name)
        except Exception as error:
            breaks.inc()
            log.warning("background_broke", work=work.name, error=repr(error))
        if loop.time() - started > LONGEST_PAUSE_S:
            pause = FIRST_PAUSE_S
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        pause = min(pause * 2, LONGEST_PAUSE_S)


async def cancelled(tasks: Collection[asyncio.Task[None]], again_s: float = CANCEL_AGAIN_S) -> None:
    """Cancel and wait; a task that swallows the cancellation, as a wait that ends at that moment may, is told again."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Work on all parts side by side until one ends or breaks, and the others with it.

    Unlike a TaskGroup it tells a part again that has swallowed its cancellation; else the whole would never end.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancelled(tasks, CANCEL_WITHIN_S)
    for task in ended:
        task.result()


class Bell:
    """Wakes a loop before its next look is due; rung from the loop's own thread, and never missed between two waits."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """There is something to do."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return when rung, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


class Every:
    """A use case that is run again and again, in a thread, `seconds` apart; it returns when there is nothing left."""

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        self.name = name
        self._seconds = seconds
        self._work = work

    async def run(self) -> None:
        """Work, pause, and again."""
        while True:
            await asyncio.to_thread(self._work)
            await asyncio.sleep(self._seconds)


class Steady:
    """An asynchronous loop under a name."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._work = work

    async def run(self) -> None:
        """Hand over to the loop."""
        await self._work()
