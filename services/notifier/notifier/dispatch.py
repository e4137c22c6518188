"""The dispatch desk: hands mails that are due to the workers, woken when new ones are queued."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from common.database import Sessions
from common.running import Bell
from notifier.queueing import put_back, take_due
from notifier.wording import URGENT

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
        self._bell = Bell()

    def wake(self) -> None:
        """There may be new mails; called from the event loop."""
        self._bell.ring()

    async def run(self) -> None:
        """Hand over what is due, again and again."""
        while True:
            if not await asyncio.to_thread(self._hand_over):
                await self._bell.wait(LOOK_S)

    def _hand_over(self) -> int:
        """What is urgent goes first and in tasks of its own; how many were handed over."""
        ids = take_due(self._sessions, URGENT) or take_due(self._sessions)
        if ids:
            try:
                self._enqueue(ids)
            except Exception as error:
                log.warning("workers_not_reached", mails=len(ids), error=repr(error))
                put_back(self._sessions, ids, BROKER_AWAY_S)
                return 0
        return len(ids)
