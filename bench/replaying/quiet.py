"""The quiet's room: whether anything is still on its way between the services."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

import httpx2

from replaying.accounts import Account
from replaying.gateway import expect
from replaying.stack import Stack
from replaying.stop import Stop

POLL_S = 1.0
HOLD_S = 6.0
"""Silence must last so long: the broker counts its queues only every 5 s."""
UNSENT = re.compile(r"^stoa_outbox_unsent(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
DEAD = ".dead"


@dataclass(frozen=True)
class Traffic:
    """What is on its way at one moment."""

    unsent: int
    """Events that are committed and not yet with the broker."""
    queued: int
    """Messages that a service has not finished with."""
    mails: int
    """Mails that are written down and not yet sent."""
    dead: int
    """Messages set aside because no service could handle them."""

    @property
    def waiting(self) -> int:
        """All that should still move."""
        return self.unsent + self.queued + self.mails


class Operator:
    """Asks behind the gateway: the services' own figures and the broker's queues."""

    def __init__(self, stack: Stack, admin: Account) -> None:
        self._stack = stack
        self._admin = admin
        self._client = httpx2.AsyncClient(timeout=20, trust_env=False)

    async def look(self) -> Traffic:
        """What is on its way now. Raises Stop."""
        unsent = sum([await self._unsent(url) for url in self._stack.services.values()])
        queues = await self._queues()
        dead = sum(count for name, count in queues.items() if name.endswith(DEAD))
        return Traffic(unsent, sum(queues.values()) - dead, await self._mails(), dead)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _unsent(self, url: str) -> int:
        text = (await self._get(f"{url}/metrics")).text
        return sum(int(float(count)) for count in UNSENT.findall(text))

    async def _queues(self) -> dict[str, int]:
        url = f"{self._stack.queues_url}/api/queues?columns=name,messages"
        answer = await self._get(url, auth=self._stack.queues_login)
        return {queue["name"]: queue.get("messages", 0) for queue in answer.json()}

    async def _mails(self) -> int:
        params = {"status": "queued", "page_size": "1"}
        answer = await self._admin.send("GET", "/api/notifications/", params=params)
        return int(expect(answer, httpx2.codes.OK)["count"])

    async def _get(self, url: str, auth: tuple[str, str] | None = None) -> httpx2.Response:
        try:
            answer = await self._client.get(url, auth=auth)
            answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise Stop(f"{url} cannot be read ({error}); the checks need the local stack's own ports.") from None
        return answer


async def wait_until_quiet(
    look: Callable[[], Awaitable[Traffic]],
    limit_s: float,
    show: Callable[[Traffic], None],
    hold_s: float = HOLD_S,
    poll_s: float = POLL_S,
) -> Traffic:
    """The traffic once nothing has been on its way for `hold_s`, or as it is when nothing got less for `limit_s`."""
    least, progress, silent_since = None, monotonic(), None
    while True:
        traffic, moment = await look(), monotonic()
        show(traffic)
        if least is None or traffic.waiting < least:
            least, progress = traffic.waiting, moment
        silent_since = (silent_since or moment) if not traffic.waiting else None
        if silent_since is not None and moment - silent_since >= hold_s:
            return traffic
        if moment - progress > limit_s:
            return traffic
        await asyncio.sleep(poll_s)
