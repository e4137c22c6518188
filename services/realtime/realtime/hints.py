"""The hints' room: tells the own listeners what has been written, and the other processes, through Redis, that it was.

A hint through Redis carries no data and may be lost: everyone looks into the log by itself twice a second.
"""

import asyncio

from redis.asyncio import Redis

from common.ids import new_id
from common.running import together
from realtime.audience import Audience
from realtime.desk import Desk
from realtime.news import News

CHANNEL = "realtime:counted"
LISTEN_S = 5.0


class Hints:
    """Wakes the own followers at once, and those of the other processes by a message."""

    name = "realtime hints"

    def __init__(self, redis: Redis, audience: Audience, desk: Desk) -> None:
        self._redis = redis
        self._audience = audience
        self._desk = desk
        self._me = str(new_id())
        self._written = asyncio.Event()

    def give(self, news: News | None) -> None:
        """So much has been written here and is committed; None where that is known from the logs only."""
        if news is None:
            self._wake()
        elif news:
            self._audience.hear(news.counts)
            self._desk.hear(news.steps)
            self._written.set()

    def _wake(self) -> None:
        self._audience.wake()
        self._desk.wake()

    async def run(self) -> None:
        """Publish own hints and hear those of others, until Redis breaks."""
        await together(self._publish(), self._listen())

    async def _publish(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            await self._redis.publish(CHANNEL, self._me)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(CHANNEL)
            while True:
                hint = await subscription.get_message(timeout=LISTEN_S)
                if hint is not None and hint["data"] != self._me.encode():
                    self._wake()
