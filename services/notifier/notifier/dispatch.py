"""The dispatch desk: hands mails that are due to the workers, woken when new ones are queued."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from common.database import Sessions
from common.running import Bell, together
from notifier.queueing import DISPATCH_CHUNK, put_back, take_due

log = structlog.get_logger(__name__)

LOOK_S = 2.0
"""Between two looks for mails whose next try is due."""
GATHER_S = 0.5
"""After mails were handed over others gather for so long: under load a task is a full handful (`tasks.HANDFUL`), whose
costs are shared, and the table is looked into twice a second."""
BROKER_AWAY_S = 5.0


class Dispatch:
    """Background work of the web process. What cannot be handed over stays queued in the table."""

    name = "notifier dispatch"

    def __init__(self, sessions: Sessions, enqueue: Callable[[Sequence[UUID]], None]) -> None:
        self._sessions = sessions
        self._enqueue = enqueue
        self._bell = Bell()
        self._urgent_bell = Bell()
        self._hurried = False
        self._looking = threading.Lock()
        """A look for the others locks an urgent row for a moment too, and the look for that one would skip it."""

    def hurry(self) -> None:
        """There are new mails that somebody waits for; called from any thread, before `wake`."""
        self._hurried = True

    def wake(self) -> None:
        """There may be new mails; called from the event loop."""
        if self._hurried:
            self._hurried = False
            self._urgent_bell.ring()
        self._bell.ring()

    async def run(self) -> None:
        """Hand over what is due, again and again; what is urgent never waits for what gathers."""
        await together(
            self._keep_handing_over(self._urgent_bell, urgent=True, rest_s=0),
            self._keep_handing_over(self._bell, urgent=False, rest_s=GATHER_S),
        )

    async def _keep_handing_over(self, bell: Bell, *, urgent: bool, rest_s: float) -> None:
        while True:
            handed = await asyncio.to_thread(self._hand_over, urgent=urgent)
            if handed < DISPATCH_CHUNK:
                await asyncio.sleep(rest_s if handed else 0)
                await bell.wait(LOOK_S)

    def _hand_over(self, *, urgent: bool) -> int:
        """How many mails were handed over, in tasks of their own if they are urgent."""
        with self._looking:
            ids = take_due(self._sessions, urgent=urgent)
        if ids:
            try:
                self._enqueue(ids)
            except Exception as error:
                log.warning("workers_not_reached", mails=len(ids), error=repr(error))
                put_back(self._sessions, ids, BROKER_AWAY_S)
                return 0
        return len(ids)
