"""The hints' room: tells the own audience what has been counted, and the other processes, through Redis, that it was.

A hint through Redis carries no data and may be lost: everyone looks into the log by itself twice a second.
"""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from common.ids import new_id
from common.running import together
from realtime.audience import Audience
from realtime.board import Count

CHANNEL = "realtime:counted"
LISTEN_S = 5.0


class Hints:
    """Wakes the own audience at once, and those of the other processes by a message."""

    name = "realtime hints"

    def __init__(self, redis: Redis, audience: Audience) -> None:
        self._redis = redis
        self._audience = audience
        self._me = str(new_id())
        self._counted = asyncio.Event()

    def give(self, counts: Sequence[Count] | None) -> None:
        """So much has been counted here and is committed; None where that is known from the log only."""
        if counts is None:
            self._audience.wake()
        elif counts:
            self._audience.hear(counts)
            self._counted.set()

    async def run(self) -> None:
        """Publish own hints and hear those of others, until Redis breaks."""
        await together(self._publish(), self._listen())

    async def _publish(self) -> None:
        while True:
            await self._counted.wait()
            self._counted.clear()
            await self._redis.publish(CHANNEL, self._me)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(CHANNEL)
            while True:
                hint = await subscription.get_message(timeout=LISTEN_S)
                if hint is not None and hint["data"] != self._me.encode():
                    self._audience.wake()
