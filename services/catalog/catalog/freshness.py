"""The freshness room: the catalogue's version as this process knows it, without asking for it with each request.

A commit of this process is known at once, one of another process within LOOK_S. Pieces that are held and sold move the
version at once while that happens now and then, and under load once in STOCK_S, so that lists can be kept at all.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from catalog.versions import COMMITTED, FACTS, Version, read_version
from common.database import Sessions

LOOK_S = 0.1
"""Between two looks into the database, on demand only (design: performance, section 1)."""
STOCK_S = 0.5
"""With LOOK_S before it and the making of a page after it less than the second that a list's stock may lag."""

Shown = tuple[int, int]
"""Facts and stock, as far as answers follow them."""


class Freshness:
    """Knows which version an answer must be of."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="freshness")
        self._shown: Shown = (-1, -1)
        self._looked = self._followed = -LOOK_S - STOCK_S
        self._own = self._seen = object()
        self._looking: asyncio.Task[None] | None = None
        event.listen(sessions, "after_commit", self._committed)

    def close(self) -> None:
        """Look and listen no more."""
        event.remove(self._sessions, "after_commit", self._committed)
        self._thread.shutdown(wait=False)

    def known(self) -> Shown | None:
        """The version, if nothing needs to be looked up for it now."""
        age = time.monotonic() - self._looked
        if age > LOOK_S or self._seen is not self._own:
            return None
        if age > LOOK_S / 2:
            self._look_soon()
        return self._shown

    async def version(self) -> Shown:
        """The version. Raises what the database raises."""
        while (shown := self.known()) is None:
            await asyncio.shield(self._look_soon())
        return shown

    def _look_soon(self) -> asyncio.Task[None]:
        """The look that is going on, or one that begins now."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(heard)
        return self._looking

    async def _look(self) -> None:
        begun, own = time.monotonic(), self._own
        found = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
        follows = begun - self._followed > STOCK_S
        if found.stock != self._shown[1] and follows:
            self._followed = begun
        self._shown = (found.facts, found.stock if follows else self._shown[1])
        self._looked, self._seen = begun, own

    def _read(self) -> Version:
        with self._sessions.begin() as session:
            return read_version(session)

    def _committed(self, session: Session) -> None:
        """A transaction of this process, in whichever thread."""
        moved = session.info.get(COMMITTED, {})
        if FACTS in moved or (moved and time.monotonic() - self._followed > STOCK_S):
            self._own = object()


def heard(task: asyncio.Task[Any]) -> None:
    """Whoever waits has the error; what nobody waits for any more may fail in silence."""
    if not task.cancelled():
        task.exception()
