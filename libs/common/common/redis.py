"""Redis's room: a client whose every wait ends soon, and that tries once more over another connection."""

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Broken

REDIS_S = 0.2
"""Longest wait for Redis, twice at most (design: reliability 3.7): an event loop that was busy for so long has let the
first wait run out although the answer was there."""


class Line(Connection):
    """A connection that was reset a moment ago is broken, and nothing else.

    uvloop refuses to write to it with RuntimeError, which redis-py takes for no failure of the connection.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise Broken(str(error)) from error


def new_redis(url: str) -> "Redis":
    """A client for `redis://…`; one for `rediss://…` has connections of redis-py's own."""
    options: dict[str, Any] = {"connection_class": Line, "health_check_interval": 30, "retry": Retry(NoBackoff(), 1)}
    client: Redis = Redis.from_url(url, socket_connect_timeout=REDIS_S, socket_timeout=REDIS_S, **options)
    return client
