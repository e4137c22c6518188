"""The consumer's room: hears a service's queue, in batches, each event with exactly one effect.

A batch is one transaction: inbox rows, effects, commit, then the acks. A batch that fails is taken apart, so that one
bad message does not hold up its neighbours: what may pass later goes through the delay queues, what never can goes to
the dead-letter queue (design: reliability 3.4).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from common import outbox, tracing
from common.broker import (
    DELAYS_S,
    DIRECT,
    PREFETCH,
    brief_queue_name,
    connect,
    dead_letter_name,
    declare_delays,
    declare_events,
    delay_name,
    disconnect,
    publish,
    queue_name,
)
from common.clock import now
from common.database import Sessions, is_conflict, is_gone, retried
from common.errors import Unavailable
from common.events import Event, decode, registered
from common.gathering import Closed, Gatherer
from common.heard import HEARD, IN_HAND, Heard, expose, in_spans, note_lag
from common.letters import ATTEMPT, DEAD_AT, DETAIL, QUEUE, REASON

log = structlog.get_logger(__name__)

DATABASE_PAUSE_S = 2.0
"""Between two tries of a batch while the database is away; the queue waits, nothing goes through the delays."""

MOST_COMPLAINTS = 5
CUT_OFF_LIMIT = 5
"""Times that a batch may lose its connection to a database which answers otherwise, before the batch is to blame."""

Handle = Callable[[Session, Sequence[Event]], object]
After = Callable[[Any], None]
Handler = Callable[[Session, Any], None]


class NotYet(Exception):
    """Raised by a handler whose event may succeed later; it is tried again after 1, 10, 60 and 600 s."""


def one_by_one(handlers: Mapping[type[Event], Handler]) -> Handle:
    """A batch handler that gives each event to the function of its type, in order."""

    def handle(session: Session, events: Sequence[Event]) -> None:
        for event in events:
            handlers[type(event)](session, event)

    return handle


async def _when_deaf(channel: AbstractChannel, tell: Callable[[], None]) -> None:
    """Be told when no message will come any more: the channel is closed, or the queue has been deleted."""
    channel.close_callbacks.add(lambda *_: tell())
    underlying = await channel.get_underlay_channel()
    underlying.on_consumer_cancel_callbacks.add(lambda *_: tell())


def _complaints(error: ValidationError) -> str:
    """What is wrong with a body, without what stood in it: that belongs into no log."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_COMPLAINTS]
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)[:500]


def _attempt(message: AbstractIncomingMessage) -> int:
    """How many times the message has been through the delays."""
    counted = message.headers.get(ATTEMPT)
    return counted if isinstance(counted, int) else 0


class Consumer:
    """Hears one service's queue. `handle` gets the new events of a batch; `after` gets what it returned, once that is
    committed, and None when no event was new.

    With `brief` it hears the service's brief queue instead; what cannot be handled there is dropped with a log line.
    """

    def __init__(
        self,
        service: str,
        broker_url: str,
        sessions: Sessions,
        handle: Handle,
        after: After | None = None,
        *,
        brief: bool = False,
    ) -> None:
        self._queue = brief_queue_name(service) if brief else queue_name(service)
        self.name = f"{self._queue} consumer"
        self._service = service
        self._brief = brief
        self._broker_url = broker_url
        self._sessions = sessions
        expose(service)
        self._handle = handle
        self._after = after

    async def run(self) -> None:
        """Consume until cancelled or until the connection breaks."""
        connection = await connect(self._broker_url, self.name)
        try:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.set_qos(prefetch_count=PREFETCH)
            await declare_events(channel)
            await declare_delays(channel)
            await self._consume(channel)
        finally:
            await disconnect(connection)

    async def _consume(self, channel: AbstractChannel) -> None:
        waiting: Gatherer[AbstractIncomingMessage] = Gatherer(PREFETCH)
        await _when_deaf(channel, waiting.close)
        queue = await channel.get_queue(self._queue)
        await queue.consume(waiting.put)
        try:
            while True:
                await self._work(channel, await waiting.take())
        except Closed as error:
            raise ConnectionError("the broker sends nothing more") from error

    async def _work(self, channel: AbstractChannel, batch: Sequence[AbstractIncomingMessage]) -> None:
        heard = [item for message in batch if (item := await self._understand(channel, message))]
        if not heard:
            return
        named = ((f"hear {item.envelope.type}", item.said_in) for item in heard)
        with tracing.spans(named, "consumer") as spans:
            await self._treat(channel, in_spans(heard, spans))

    async def _treat(self, channel: AbstractChannel, heard: Sequence[Heard]) -> None:
        try:
            outcome = await self._apply(heard)
        except Exception as error:
            if len(heard) == 1:
                await self._set_aside(channel, heard[0], error)
                return
            log.info("batch_taken_apart", service=self._service, size=len(heard), error=repr(error))
            for item in heard:
                await self._work(channel, [item.message])
            return
        await self._done(heard, outcome)

    async def _apply(self, heard: Sequence[Heard]) -> object:
        """Commit the batch, however long the database is away; what its handler returned.

        Raises when the database is there and the batch still fails.
        """
        cut_off = 0
        while True:
            try:
                return await asyncio.to_thread(self._commit, heard)
            except Exception as error:
                if not is_gone(error):
                    raise
                log.warning("database_away", service=self._service, error=repr(error))
                cut_off = cut_off + 1 if await asyncio.to_thread(self._database_answers) else 0
                if cut_off >= CUT_OFF_LIMIT:
                    raise
                await asyncio.sleep(DATABASE_PAUSE_S)

    def _database_answers(self) -> bool:
        try:
            with self._sessions() as session:
                session.execute(text("SELECT 1"))
        except (DBAPIError, PoolTimeout):
            return False
        return True

    async def _done(self, heard: Sequence[Heard], outcome: object) -> None:
        HEARD.labels(self._service, "done").inc(len(heard))
        note_lag(self._service, heard)
        try:
            if self._after is not None:
                self._after(outcome)
        except Exception:
            log.exception("after_batch_failed", service=self._service)
        await heard[-1].message.ack(multiple=True)  # all before it are done, those that were set aside too

    @retried
    def _commit(self, heard: Sequence[Heard]) -> object:
        with self._sessions.begin() as session:
            fresh = outbox.first_time(session, [(item.envelope.id, item.envelope.type) for item in heard])
            new: list[Heard] = []
            for item in heard:
                if item.envelope.id in fresh:
                    fresh.discard(item.envelope.id)
                    new.append(item)
            session.info[IN_HAND] = new
            return self._handle(session, [item.event for item in new]) if new else None

    async def _understand(self, channel: AbstractChannel, message: AbstractIncomingMessage) -> Heard | None:
        """The message's event; what cannot be one is dead-lettered at once."""
        try:
            envelope = decode(message.body)
            kind = registered().get(envelope.type)
            if kind is None or envelope.dataversion > kind.dataversion:
                await self._bury(channel, message, "unsupported", f"{envelope.type} v{envelope.dataversion}")
                return None
            return Heard(message, envelope, kind.model_validate(envelope.data))
        except ValidationError as error:
            await self._bury(channel, message, "undecodable", _complaints(error))
            return None

    async def _set_aside(self, channel: AbstractChannel, item: Heard, error: Exception) -> None:
        attempt = _attempt(item.message)
        passing = isinstance(error, NotYet | Unavailable | ConnectionError | TimeoutError)
        may_pass = passing or is_conflict(error) or is_gone(error) or isinstance(error, IntegrityError)
        if may_pass and attempt < len(DELAYS_S):
            await self._delay(channel, item, attempt, error)
        else:
            await self._bury(channel, item.message, type(error).__name__, str(error)[:500])

    async def _delay(self, channel: AbstractChannel, item: Heard, attempt: int, error: Exception) -> None:
        seconds = DELAYS_S[attempt]
        log.info("event_delayed", service=self._service, type=item.envelope.type, seconds=seconds, error=repr(error))
        await self._move(channel, item.message, delay_name(seconds), self._queue, {ATTEMPT: attempt + 1})
        HEARD.labels(self._service, "delayed").inc()

    async def _bury(self, channel: AbstractChannel, message: AbstractIncomingMessage, reason: str, detail: str) -> None:
        if self._brief:
            log.error("event_dropped", service=self._service, reason=reason, detail=detail)
            HEARD.labels(self._service, "dropped").inc()
            await message.ack()
            return
        log.error("event_dead_lettered", service=self._service, reason=reason, detail=detail)
        headers = {
            REASON: reason,
            DETAIL: detail.encode("utf-8", "replace").decode(),
            QUEUE: self._queue,
            DEAD_AT: now().isoformat(),
        }
        await self._move(channel, message, DIRECT, dead_letter_name(self._service), headers)
        HEARD.labels(self._service, "dead").inc()

    async def _move(
        self,
        channel: AbstractChannel,
        message: AbstractIncomingMessage,
        exchange: str,
        routing_key: str,
        headers: Mapping[str, Any],
    ) -> None:
        """Send a copy with confirm, then ack the original: a crash between the two doubles, it never loses."""
        await publish(
            channel,
            exchange,
            routing_key,
            message.body,
            message_id=message.message_id or "",
            content_type=message.content_type or "",
            headers={**message.headers, **headers},
        )
        await message.ack()
