"""The dead letters' room: what a service could not handle is looked at, sent again, or dropped.

Whoever works here takes the letters in hand on a connection of their own, one at a time by a lock in the database. What
they do not part with goes back to its place when the channel closes, however it does. A letter that is sent again goes
only after the broker has confirmed its copy: a break in between doubles it, and the inbox makes it once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPException
from sqlalchemy import Connection, Engine

from common.broker import connect, dead_letter_name, declare_queue, disconnect, publish, queue_name
from common.errors import Unavailable
from common.events.hearers import HEARERS
from common.leases import let_go, take
from common.letters import Letter, kept_headers, read_letter

log = structlog.get_logger(__name__)

MOST = 500
"""Letters taken in hand at once, whatever is then done with them: what a closed channel gives back comes first the next
time, and so it is always the same letters. (What is requeued by nack or reject goes to the end, on RabbitMQ 3.10.) All
together are 100 MB at the very most, as the queue holds no more."""
RENEW_AT = 10
"""Returns after which a letter is put back as a copy that has none. RabbitMQ 4 throws away what was returned 20 times
where a queue does not set a limit of its own; this one does not, and could not be declared anew with one."""
WINDOW = 100
"""Copies on their way at once (design: reliability, E4: more brings nothing)."""
CALL_S = 20.0
"""Longest time for one call, within the gateway's 60 s for an answer."""
TURN_S = 10.0
TAKE_S = 5.0
SETTLE_S = 2.0
POLL_S = 0.02
BEGIN = datetime.min.replace(tzinfo=UTC)

Send = Callable[[AbstractChannel, Letter], Awaitable[None]]


class BrokerAway(Unavailable):
    """The broker does not answer, or went away in the middle."""


@dataclass(frozen=True)
class Look:
    """How many letters there are, and the oldest of them."""

    count: int
    letters: Sequence[Letter]


@dataclass(frozen=True)
class Done:
    """How many letters were parted with, and how many of those that were there are left."""

    count: int
    left: int


@dataclass
class Hand:
    """The letters taken in hand, the oldest first, of `count` that there were."""

    channel: AbstractChannel
    count: int
    letters: list[Letter]
    parted: int = 0

    def chosen(self, ids: Collection[str]) -> list[Letter]:
        """The letters of these events; all if none is named."""
        return [letter for letter in self.letters if not ids or letter.id in ids]

    async def part_with(self, letter: Letter) -> None:
        """Let the queue forget it."""
        await letter.message.ack()
        self.parted += 1


class DeadLetters:
    """The dead-letter queue of a service. Of one that hears nothing it is empty.

    Raises BrokerAway when the broker is away; what was confirmed until then is done, everything else as it was.
    """

    def __init__(self, service: str, broker_url: str, engine: Engine) -> None:
        self._service = service
        self._broker_url = broker_url
        self._engine = engine
        self._lock = f"stoa.dead.{engine.url.database}"

    @property
    def hears(self) -> bool:
        """Whether the service hears anything that could die."""
        return self._service in HEARERS

    async def count(self) -> int | None:
        """How many there are, None if the service hears nothing; asks the broker in either case."""
        async with self._alone() as connection:
            if not self.hears:
                return None
            channel = await connection.channel()
            await declare_queue(channel, self._service)
            return await self._waiting(channel)

    async def look(self, limit: int) -> Look:
        """The oldest letters; all of them stay."""
        if not self.hears:
            return Look(0, [])
        async with self._in_hand() as hand:
            return Look(hand.count, hand.letters[:limit])

    async def replay(self, ids: Collection[str], by: UUID) -> Done:
        """Send the letters of these events, all if none is named, to the service's own queue as if never heard."""
        if not self.hears:
            return Done(0, 0)
        async with self._in_hand() as hand:
            chosen = hand.chosen(ids)
            log.info("dead_letters_replayed", service=self._service, by=str(by), count=len(chosen))
            for window in _windows(chosen):
                await _resend(hand, window, self._again)
        return Done(hand.parted, hand.count - hand.parted)

    async def drop(self, ids: Collection[str], by: UUID) -> Done:
        """Throw the letters of these events away; the log tells each and who did it."""
        if not self.hears or not ids:
            return Done(0, 0)
        async with self._in_hand() as hand:
            for letter in hand.chosen(ids):
                told = {"id": letter.id, "type": letter.type, "reason": letter.reason}
                log.warning("dead_letter_dropped", service=self._service, by=str(by), **told)
                await hand.part_with(letter)
        return Done(hand.parted, hand.count - hand.parted)

    @asynccontextmanager
    async def _in_hand(self) -> AsyncIterator[Hand]:
        """All letters, MOST at most; what is still in hand at the end goes back to its place."""
        async with self._alone() as connection:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            hand = await self._take(channel)
            yield hand
            await self._renew(hand)
            await channel.close()
            await self._settle(connection, hand.count - hand.parted)

    async def _take(self, channel: AbstractChannel) -> Hand:
        await declare_queue(channel, self._service)
        count = await self._waiting(channel)
        taken: list[AbstractIncomingMessage] = []
        enough = asyncio.Event()

        async def keep(message: AbstractIncomingMessage) -> None:
            taken.append(message)
            if len(taken) >= min(count, MOST):
                enough.set()

        if count:
            await channel.set_qos(prefetch_count=MOST)
            queue = await channel.get_queue(dead_letter_name(self._service))
            tag = await queue.consume(keep)
            await _wait(enough, TAKE_S)  # fewer come when somebody else has them: the management page, say
            await queue.cancel(tag)
        letters = sorted(map(read_letter, taken), key=lambda letter: letter.died_at or BEGIN)
        return Hand(channel, max(count, len(letters)), letters)

    async def _renew(self, hand: Hand) -> None:
        """Put letters that were looked at often back as copies, before the broker loses patience with them."""
        old = [each for each in hand.letters if each.deliveries >= RENEW_AT and not each.message.processed]
        for window in _windows(old):
            await _resend(hand, window, self._as_it_was)
            hand.parted -= len(window)

    async def _again(self, channel: AbstractChannel, letter: Letter) -> None:
        await _send(channel, queue_name(self._service), letter, {})

    async def _as_it_was(self, channel: AbstractChannel, letter: Letter) -> None:
        await _send(channel, dead_letter_name(self._service), letter, kept_headers(letter))

    async def _settle(self, connection: AbstractConnection, left: int) -> None:
        """Wait until the broker counts again what was given back: a moment after it closed the channel."""
        channel = await connection.channel()
        clock = asyncio.get_running_loop().time
        until = clock() + SETTLE_S
        while await self._waiting(channel) < left and clock() < until:
            await asyncio.sleep(POLL_S)

    async def _waiting(self, channel: AbstractChannel) -> int:
        queue = await channel.declare_queue(dead_letter_name(self._service), passive=True)
        return queue.declaration_result.message_count or 0

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[AbstractConnection]:
        """A connection, while nobody else is at these letters."""
        try:
            async with asyncio.timeout(CALL_S):
                connection = await connect(self._broker_url, f"{self._service} operator")
                try:
                    async with self._locked():
                        yield connection
                finally:
                    await disconnect(connection)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._away(error) from error  # a call that waits while its connection dies (reliability, fact 3)
        except (AMQPException, TimeoutError, OSError, RuntimeError) as error:
            raise self._away(error) from error

    def _away(self, error: BaseException) -> BrokerAway:
        log.warning("dead_letters_out_of_reach", service=self._service, error=repr(error))
        return BrokerAway("the broker does not answer; no dead letter is lost, ask again shortly")

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        lease = await asyncio.to_thread(self._engine.connect)
        try:
            await self._take_turn(lease)
            yield
        finally:
            await asyncio.to_thread(let_go, lease)

    async def _take_turn(self, lease: Connection) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + TURN_S
        while not await asyncio.to_thread(take, lease, self._lock):
            if clock() > until:
                raise Unavailable("somebody else is at these dead letters; ask again shortly")
            await asyncio.sleep(POLL_S)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _resend(hand: Hand, letters: Sequence[Letter], send: Send) -> None:
    """Send copies side by side and part with each that is confirmed. Raises when one was not."""
    outcomes = await asyncio.gather(*(send(hand.channel, letter) for letter in letters), return_exceptions=True)
    for letter, outcome in zip(letters, outcomes, strict=True):
        if outcome is None:
            await hand.part_with(letter)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def _send(channel: AbstractChannel, queue: str, letter: Letter, headers: Mapping[str, Any]) -> None:
    message = letter.message
    await publish(
        channel.default_exchange,
        queue,
        message.body,
        message_id=message.message_id or "",
        content_type=message.content_type or "",
        headers=headers,
    )


def _windows(letters: Sequence[Letter]) -> Iterable[Sequence[Letter]]:
    return (letters[begin : begin + WINDOW] for begin in range(0, len(letters), WINDOW))
