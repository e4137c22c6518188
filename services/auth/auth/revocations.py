"""The revocations' room: tells every service through Redis which sessions are over, and keeps Redis true to MySQL.

MySQL is the truth, Redis a copy that every service reads. Each replica of auth makes a pass every half second. While
the epoch stands, it writes down what ended since its last pass that succeeded, so that a revocation which Redis did not
take at once (a time-out, a killed process) gets there by the next pass of any replica. While it does not stand, the
whole set is written again and the epoch with it; until then, and while Redis is away, the services ask auth. The epoch
holds the id of the Redis run that it was written in, so that a Redis that came back with an older copy of its data is
not believed. It outlives every access token: while auth is down nobody can end a session, and what Redis holds stays
true.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from auth import queries
from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.revocation import EPOCH, Revocations, revoked_key

log = structlog.get_logger(__name__)

PASS_S = 0.5
OVERLAP = timedelta(seconds=20)
"""A pass looks back this far, longer than a transaction can take from its stamp to its commit (waits end after 5 s)."""
MARGIN_S = 300
"""Kept beyond the life of an access token, against clocks that differ and answers that are late."""
TRIES = 3
REDIS_S = 0.5
"""Longest wait for Redis; a pass may carry thousands of sessions, so it is more than a look-up gets."""


class RevokedSet:
    """The ended sessions in Redis, as `common.revocation` reads them."""

    def __init__(self, redis: "Redis", access_ttl_s: int) -> None:
        self._redis = redis
        self.kept_s = access_ttl_s + MARGIN_S

    def add(self, sessions: Sequence[UUID]) -> bool:
        """Tell all services at once that these are over; False if Redis did not take it, then the next pass will."""
        for _ in range(TRIES):
            try:
                self._write(sessions)
                return True
            except RedisError as error:
                log.warning("revocation_not_told", sessions=len(sessions), error=repr(error))
        return False

    def is_standing(self) -> bool:
        """Whether the set is complete: the epoch is there and of this very run of Redis."""
        epoch = self._redis.get(EPOCH)
        return epoch is not None and epoch == self._run()

    def go_on(self, lately: Sequence[UUID]) -> None:
        """Add what ended lately and let the epoch stand longer; it is not set anew, as it may have fallen meanwhile."""
        self._write(lately)
        self._redis.expire(EPOCH, self.kept_s)

    def rebuild(self, read_ended: Callable[[], Iterable[UUID]]) -> None:
        """Write the whole set and the epoch in one step, if Redis was not emptied while the set was being read.

        A session that ends meanwhile is either in what is read, or its own `add` comes after the mark; if that is
        wiped out the mark is too, nothing is written, and the next pass begins anew.
        """
        mark, run = f"revocation:mark:{new_id()}", self._run()
        self._redis.set(mark, "1", ex=60)
        ended = list(read_ended())
        with self._redis.pipeline() as pipe:
            pipe.watch(mark)  # type: ignore[no-untyped-call]
            if not pipe.exists(mark):
                return
            pipe.multi()
            for session in ended:
                pipe.set(revoked_key(session), "1", ex=self.kept_s)
            pipe.set(EPOCH, run, ex=self.kept_s)
            pipe.delete(mark)
            pipe.execute()
        log.info("revocations_rebuilt", sessions=len(ended))

    def _write(self, sessions: Sequence[UUID]) -> None:
        if not sessions:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for session in sessions:
                pipe.set(revoked_key(session), "1", ex=self.kept_s)
            pipe.execute()

    def _run(self) -> bytes:
        return str(self._redis.info("server")["run_id"]).encode()


class Keeper:
    """Makes the passes; Redis or MySQL being away is noted once, and tried again with the next pass."""

    def __init__(self, sessions: Sessions, revoked: RevokedSet) -> None:
        self._sessions = sessions
        self._revoked = revoked
        self._told_until = now() - timedelta(seconds=revoked.kept_s)
        self._failing = False

    def keep(self) -> None:
        """One pass."""
        moment = now()
        try:
            self._pass()
        except (RedisError, SQLAlchemyError) as error:
            if not self._failing:
                log.warning("revocations_not_kept", error=repr(error))
            self._failing = True
        else:
            self._failing = False
            self._told_until = moment

    def _pass(self) -> None:
        if self._revoked.is_standing():
            self._revoked.go_on(self._ended_since(self._told_until - OVERLAP))
        else:
            self._revoked.rebuild(lambda: self._ended_since(now() - timedelta(seconds=self._revoked.kept_s)))

    def _ended_since(self, moment: datetime) -> list[UUID]:
        return queries.ended_since(self._sessions, moment)


class OwnSessions(Revocations):
    """Auth looks into its own table instead of asking itself over HTTP."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def is_revoked(self, session: UUID) -> bool:
        """Whether the session is over."""
        return not await asyncio.to_thread(queries.is_open, self._sessions, session)
