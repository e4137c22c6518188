"""The gatherers' room: what comes alone is taken at once, what comes in crowds is taken in batches.

A batch costs little more than one message does, but a consumer that keeps up with its messages would never see more
than one. While many come, the first of a batch waits a moment for the others (design: performance, section 3).
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

PAUSE_S = 0.1
"""The longest wait for others (design: performance, section 3: under load at most every 100 ms)."""
MANY = 5
"""Items within one pause that make a crowd; so many a pause save more than their wait costs."""

Item = TypeVar("Item")


class Closed(Exception):
    """Nothing more will come."""


class Gatherer(Generic[Item]):
    """A queue that is taken from in batches of at most `most`."""

    def __init__(self, most: int, pause_s: float = PAUSE_S) -> None:
        self._most = most
        self._pause_s = pause_s
        self._waiting: asyncio.Queue[Item | None] = asyncio.Queue()
        self._taken: deque[float] = deque(maxlen=MANY)

    async def put(self, item: Item) -> None:
        """Let it wait for the next batch."""
        self._waiting.put_nowait(item)

    def close(self) -> None:
        """Nothing more will come; called from the event loop."""
        self._waiting.put_nowait(None)

    async def take(self) -> list[Item]:
        """The next batch, of one at least. Raises Closed, also when something was still waiting."""
        batch = [await self._waiting.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s if self._is_crowded() else 0):
                while len(batch) < self._most and batch[-1] is not None:
                    batch.append(await self._waiting.get())
        now = asyncio.get_running_loop().time()
        self._taken.extend([now] * len(batch))
        items = [item for item in batch if item is not None]
        if len(items) < len(batch):
            raise Closed
        return items

    def _is_crowded(self) -> bool:
        """Whether the last of them came within one pause."""
        since = asyncio.get_running_loop().time() - self._pause_s
        return len(self._taken) == MANY and self._taken[0] > since
