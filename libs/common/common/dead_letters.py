"""The dead letters' room: what a service could not handle is looked at, sent again, or dropped.

Whoever works here takes the letters in hand on a connection of their own, one at a time by a lock in the database. What
they do not part with goes back to its place when the channel closes, however it does. A letter that is sent again goes
only after the broker has confirmed its copy: a break in between doubles it, and the inbox makes it once.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPException
from sqlalchemy import Engine

from common.broker import DIRECT, connect, dead_letter_name, declare_queue, disconnect, publish, queue_name
from common.errors import Unavailable
from common.events.hearers import HEARERS
from common.leases import Lease
from common.letters import Done, Letter, Look, kept_headers, read_letters

log = structlog.get_logger(__name__)

CHUNK = 500
"""Letters read, sent again or dropped one after another, before the time is looked at."""
MOST_UNACKED = 65_535
"""Letters that one call can have in hand (AMQP 0-9-1: the prefetch count is a short), 100 MB at the very most, as the
queue holds no more. It takes all: what a closed channel gives back comes first the next time, but behind what was given
back before. (What is requeued by nack or reject goes to the end, on RabbitMQ 3.10.)"""
RENEW_AT = 10
"""Returns after which a letter is put back as a copy that has none. RabbitMQ 4 throws away what was returned 20 times
where a queue does not set a limit of its own; this one does not, and could not be declared anew with one."""
WINDOW = 100
"""Copies on their way at once (design: reliability, E4: more brings nothing)."""
CALL_S = 30.0
"""Longest time for one call, within the gateway's 60 s for an answer."""
WORK_S = 10.0
"""After so long no other chunk is begun; the answer says how many letters are left."""
TURN_S = 10.0
TAKE_S = 5.0
SETTLE_S = 2.0
POLL_S = 0.02

Send = Callable[[AbstractChannel, Letter], Awaitable[None]]


class BrokerAway(Unavailable):
    """The broker does not answer, or went away in the middle."""


@dataclass
class Hand:
    """Who holds letters: of `count`, `parted` are gone, `due` were not looked at yet, `old` were returned often."""

    channel: AbstractChannel
    queue: AbstractQueue
    count: int
    parted: int = 0
    due: int = 0
    tag: str | None = None
    coming: asyncio.Queue[AbstractIncomingMessage] = field(default_factory=asyncio.Queue)
    old: list[Letter] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many there are now."""
        return self.count - self.parted

    async def reach_for_all(self) -> None:
        """Have them handed out, by one consumer: of what is given back the broker keeps the order of those alone."""
        if count := min(self.count, MOST_UNACKED):
            await self.channel.set_qos(prefetch_count=count)
            self.tag, self.due = await self.queue.consume(self.coming.put), count

    async def take(self, most: int) -> Sequence[Letter]:
        """So many of those that are due; when fewer come, somebody else has the others: the management page, say."""
        wanted, messages = min(most, self.due), list[AbstractIncomingMessage]()
        with suppress(TimeoutError):
            async with asyncio.timeout(TAKE_S):
                while len(messages) < wanted:
                    messages.append(await self.coming.get())
        self.due = self.due - wanted if len(messages) == wanted else 0
        letters = await asyncio.to_thread(read_letters, messages)
        self.old += [letter for letter in letters if letter.deliveries >= RENEW_AT]
        return letters

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
        """How many nobody has in hand, None if the service hears nothing; asks the broker in either case.

        It waits for no lock: whoever looks what is amiss is told so at once.
        """
        async with self._connected() as connection:
            if not self.hears:
                return None
            channel = await connection.channel()
            await declare_queue(channel, self._service)
            return await self._waiting(channel)

    async def look(self, limit: int, offset: int = 0) -> Look:
        """Letters in order, the oldest first, but for `offset` that are passed over; all of them stay."""
        if not self.hears:
            return Look(0, 0, [])
        passed, shown = 0, list[Letter]()
        async with self._in_hand() as hand, aclosing(self._chunks(hand)) as chunks:
            async for letters in chunks:
                shown += letters[max(0, offset - passed) :]
                passed += len(letters)
                if len(shown) >= limit:
                    break
        shown = shown[:limit]
        return Look(hand.count, max(0, hand.count - offset - len(shown)), shown)

    async def replay(self, ids: Collection[str], by: UUID) -> Done:
        """Send the letters of these events, all if none is named, to the service's own queue as if never heard."""
        if not self.hears:
            return Done(0, 0)
        async with self._in_hand(lambda hand: self._tell_replayed(hand, by)) as hand:
            async for letters in self._chosen(hand, ids):
                for window in _windows(letters):
                    await _resend(hand, window, self._again)
        return Done(hand.parted, hand.left)

    async def drop(self, ids: Collection[str], by: UUID) -> Done:
        """Throw the letters of these events away; the log tells each and who did it."""
        if not self.hears or not ids:
            return Done(0, 0)
        dropped: list[Letter] = []
        async with self._in_hand(lambda _: self._tell_dropped(dropped, by)) as hand:
            async for letters in self._chosen(hand, ids):
                for letter in letters:
                    await hand.part_with(letter)
                dropped += letters
        return Done(hand.parted, hand.left)

    @asynccontextmanager
    async def _in_hand(self, certain: Callable[[Hand], None] = lambda _: None) -> AsyncIterator[Hand]:
        """A channel to take letters by; what is still in hand at the end goes back to its place.

        `certain` is called when the channel is closed: until then what was parted with may still come back.
        """
        async with self._connected() as connection, self._locked():
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            await declare_queue(channel, self._service)
            queue = await channel.get_queue(dead_letter_name(self._service))
            hand = Hand(channel, queue, await self._waiting(channel))
            yield hand
            await self._renew(hand)
            await channel.close()
            certain(hand)
            await self._settle(connection, hand.left)

    def _tell_replayed(self, hand: Hand, by: UUID) -> None:
        log.info("dead_letters_replayed", service=self._service, by=str(by), count=hand.parted)

    def _tell_dropped(self, letters: Iterable[Letter], by: UUID) -> None:
        for letter in letters:
            told = {"id": letter.id, "type": letter.type, "reason": letter.reason}
            log.warning("dead_letter_dropped", service=self._service, by=str(by), **told)

    async def _chosen(self, hand: Hand, ids: Collection[str]) -> AsyncIterator[Sequence[Letter]]:
        """The letters of these events, all if none is named; none is looked for after the chunk with the last."""
        missing = set(ids)
        async with aclosing(self._chunks(hand)) as chunks:
            async for letters in chunks:
                yield [letter for letter in letters if not ids or letter.id in ids]
                missing -= {letter.id for letter in letters}
                if ids and not missing:
                    return

    async def _chunks(self, hand: Hand) -> AsyncGenerator[Sequence[Letter]]:
        """Chunk after chunk, until none are left or the time is over."""
        clock = asyncio.get_running_loop().time
        until = clock() + WORK_S
        await hand.reach_for_all()
        while hand.due:
            yield await hand.take(CHUNK)
            if clock() >= until:
                return

    async def _renew(self, hand: Hand) -> None:
        """Put letters that were handed out often back as copies, before the broker loses patience with them."""
        while hand.due:
            await hand.take(CHUNK)
        if hand.tag is not None:
            await hand.queue.cancel(hand.tag)
        for window in _windows([letter for letter in hand.old if not letter.message.processed]):
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
    async def _connected(self) -> AsyncIterator[AbstractConnection]:
        """A connection for one call. Raises BrokerAway in whatever way it breaks."""
        try:
            async with asyncio.timeout(CALL_S):
                connection = await connect(self._broker_url, f"{self._service} operator")
                try:
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
        """While nobody else is at these letters."""
        async with Lease(self._engine, self._lock) as lease:
            await self._take_turn(lease)
            yield

    async def _take_turn(self, lease: Lease) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + TURN_S
        while not await lease.taken():
            if clock() > until:
                raise Unavailable("somebody else is at these dead letters; ask again shortly")
            await asyncio.sleep(POLL_S)


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
        channel,
        DIRECT,
        queue,
        message.body,
        message_id=message.message_id or "",
        content_type=message.content_type or "",
        headers=headers,
    )


def _windows(letters: Sequence[Letter]) -> Iterable[Sequence[Letter]]:
    return (letters[begin : begin + WINDOW] for begin in range(0, len(letters), WINDOW))
