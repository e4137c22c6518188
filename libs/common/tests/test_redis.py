"""A client for Redis takes a broken connection for one, whatever the event loop calls it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from common.redis import new_redis


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_what_was_reset_a_moment_ago_is_asked_again_over_a_new_connection(
    redis_url: str, run: Callable[..., Any]
) -> None:
    async def story() -> None:
        redis = new_redis(redis_url)
        try:
            assert await redis.ping()
            (line,) = redis.connection_pool._available_connections
            line._writer.transport.abort()
            assert await redis.ping()
            assert line.is_connected
        finally:
            await redis.aclose()

    run(story())
