"""The revocations' room: whether a session has been ended, asked of Redis first and of auth when Redis cannot tell.

Auth's MySQL is the truth. Redis holds `revoked:{sid}` for as long as an access token can live, and
`revocation:epoch`, which auth writes once the set is complete: without it (a flushed or restarted Redis) the set proves
nothing and auth is asked (design: reliability 3.9).
"""

import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from common.coalescer import Coalescer
from common.errors import Unavailable
from common.http import AsyncSister

log = structlog.get_logger(__name__)

EPOCH = "revocation:epoch"
ASKED_FOR_S = 5.0
"""How long auth's answer is believed while Redis cannot tell (design: reliability 3.8)."""
MOST_REMEMBERED = 10_000
LOOKS = 2
"""Questions to Redis on their way at once; requests that come meanwhile share the next."""


def revoked_key(session: UUID) -> str:
    """Redis key that exists once a session is ended."""
    return f"revoked:{session}"


class Revocations:
    """Asked on every authenticated request."""

    def __init__(self, redis: "Redis", auth: AsyncSister) -> None:
        self._redis = redis
        self._auth = auth
        self._asked: dict[UUID, tuple[float, bool]] = {}
        self._known: Coalescer[UUID, bool | None] = Coalescer(self._look_up, in_flight=LOOKS)

    async def is_revoked(self, session: UUID) -> bool:
        """Whether the session is over. Raises Unavailable when neither Redis nor auth can tell."""
        known = await self._known.submit(session)
        return await self._ask(session) if known is None else known

    async def _look_up(self, sessions: Sequence[UUID]) -> list[bool | None]:
        """What Redis can tell of each; None for one of which it can tell nothing."""
        try:
            *revoked, epoch = await self._redis.mget(*map(revoked_key, sessions), EPOCH)
        except (RedisError, OSError) as error:
            log.warning("redis_away", error=repr(error))
            return [None] * len(sessions)
        unknown = None if epoch is None else False
        return [unknown if it is None else True for it in revoked]

    async def _ask(self, session: UUID) -> bool:
        known = self._asked.get(session)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        status, body = await self._auth.get(f"/internal/sessions/{session}/")
        if status != 200 or not isinstance(body, dict) or not isinstance(body.get("active"), bool):
            raise Unavailable(
                "it cannot be told whether this session goes on; try again shortly", code="auth_unavailable"
            )
        revoked = not body["active"]
        if len(self._asked) >= MOST_REMEMBERED:
            self._asked.clear()
        self._asked[session] = (time.monotonic() + ASKED_FOR_S, revoked)
        return revoked
