"""The dispatch desk: hands mails that are due to the workers, woken when new ones are queued."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from common.database import Sessions
from notifier.usecases import put_back, take_due

log = structlog.get_logger(__name__)

LOOK_S = 2.0
"""Between two looks for mails whose next try is due."""
BROKER_AWAY_S = 5.0


class Dispatch:
    """Background work of the web process. What cannot be handed over stays queued in the table."""

    name = "notifier dispatch"

    def __init__(self, sessions: Sessions, enqueue: Callable[[Sequence[UUID]], None]) -> None:
        self._sessions = sessions
        self._enqueue = enqueue
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be new mails; called from the event loop."""
        self._woken.set()

    async def run(self) -> None:
        """Hand over what is due, again and again."""
        while True:
            self._woken.clear()
            if not await asyncio.to_thread(self._hand_over):
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._woken.wait()

    def _hand_over(self) -> int:
        ids = take_due(self._sessions)
        if ids:
            try:
                self._enqueue(ids)
            except Exception as error:
                log.warning("workers_not_reached", mails=len(ids), error=repr(error))
                put_back(self._sessions, ids, BROKER_AWAY_S)
                return 0
        return len(ids)
