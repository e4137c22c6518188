"""The relay's room: carries the outbox to the broker, woken by the commit, one relay per schema at a time."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import orjson
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from common import outbox, tracing
from common.broker import EXCHANGE, Refused, connect, declare_delays, declare_events, disconnect, publish
from common.database import Sessions, retried
from common.events.base import CONTENT_TYPE
from common.events.hearers import is_heard
from common.leases import Lease
from common.outbox import Unsent
from common.running import Bell

log = structlog.get_logger(__name__)

WINDOW = 500
"""Messages on their way at once (design: performance, section 3: a third more a second than with 100)."""
POLL_S = 0.2
"""Safety net under the wake-up by commit; finds what another process of the service has said."""
LEASE_POLL_S = 1.0
LEASE_CHECK_S = 5.0
PARK_AFTER = 10
FIRST_REST_S = 0.2
LONGEST_REST_S = 5.0
"""How long a subject is left alone after its row was refused, doubled each time (design: reliability 3.3)."""

Lane = list[Unsent]
"""The waiting rows of one subject, in order."""


@dataclass
class Outcome:
    """What became of a lane: what the broker has, the row that it refused, whether the broker was lost."""

    sent: list[int] = field(default_factory=list)
    refused: Unsent | None = None
    lost: bool = False


class Relay:
    """Sends a schema's outbox rows, each subject's in order, each until the broker has confirmed it.

    A row that the broker refuses holds up its own subject only. What fails because the broker is away counts against
    no row.
    """

    def __init__(self, service: str, broker_url: str, engine: Engine, sessions: Sessions) -> None:
        self.name = f"{service} relay"
        self._broker_url = broker_url
        self._engine = engine
        self._sessions = sessions
        self._lock = f"stoa.relay.{engine.url.database}"
        self._bell = Bell()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._resting: dict[str, float] = {}
        event.listen(sessions, "after_commit", self._committed)

    def _committed(self, session: Session) -> None:
        if session.info.pop(outbox.SAID, False) and self._loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._bell.ring)

    async def run(self) -> None:
        """Wait for the schema's lock, then carry rows until the database or the broker breaks."""
        self._loop = asyncio.get_running_loop()
        connection = await connect(self._broker_url, self.name)
        try:
            await self._lead(connection)
        finally:
            await disconnect(connection)

    async def _lead(self, connection: AbstractConnection) -> None:
        async with Lease(self._engine, self._lock) as lease:
            while not await lease.taken():
                await asyncio.sleep(LEASE_POLL_S)
            while True:
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await declare_delays(channel)
                await declare_events(channel)
                await self._carry(channel, lease)
                await _close(channel)

    async def _carry(self, channel: AbstractChannel, lease: Lease) -> None:
        """Send until something is refused: that may have closed the channel, or may mean that a queue was deleted."""
        clock = asyncio.get_running_loop().time
        checked = clock()
        while True:
            if clock() - checked > LEASE_CHECK_S:
                await lease.check()
                checked = clock()
            rows = await asyncio.to_thread(self._read)
            if rows and await self._send(channel, rows):
                return
            if len(rows) < WINDOW:  # nothing else was there, and what has been said since has rung
                await self._bell.wait(POLL_S)

    def _read(self) -> list[Unsent]:
        moment = time.monotonic()
        self._resting = {subject: until for subject, until in self._resting.items() if until > moment}
        with self._sessions.begin() as session:
            return outbox.unsent(session, WINDOW, self._resting)

    async def _send(self, channel: AbstractChannel, rows: Sequence[Unsent]) -> bool:
        """Publish a window; whether something was refused. Raises ConnectionError when the broker was lost.

        Subjects go side by side. Those that were refused before follow one by one, the oftenest at the end: a message
        that makes the broker close the channel takes down whatever is on its way beside it.
        """
        lanes = _lanes(rows)
        fresh = [lane for lane in lanes if lane[0].attempts == 0]
        suspects = sorted((lane for lane in lanes if lane[0].attempts), key=lambda lane: lane[0].attempts)
        outcomes = await asyncio.gather(*(self._send_lane(channel, lane) for lane in fresh))
        for lane in suspects:
            if all(outcome.refused is None and not outcome.lost for outcome in outcomes):
                outcomes.append(await self._send_lane(channel, lane))
        sent = [seq for outcome in outcomes for seq in outcome.sent]
        refused = [outcome.refused for outcome in outcomes if outcome.refused is not None]
        await asyncio.to_thread(self._mark, sent, refused)
        if not refused and any(outcome.lost for outcome in outcomes):
            raise ConnectionError(f"{len(rows) - len(sent)} of {len(rows)} messages were not confirmed")
        return bool(refused)

    async def _send_lane(self, channel: AbstractChannel, lane: Lane) -> Outcome:
        outcome = Outcome()
        for row in lane:
            try:
                await _publish(channel, row)
            except Refused as error:
                log.warning("event_refused", seq=row.seq, type=row.type, attempts=row.attempts + 1, error=str(error))
                outcome.refused = row
                break
            except ConnectionError as error:
                log.warning("event_not_confirmed", seq=row.seq, type=row.type, error=str(error))
                outcome.lost = True
                break
            outcome.sent.append(row.seq)
        return outcome

    @retried
    def _mark(self, sent: Sequence[int], refused: Sequence[Unsent]) -> None:
        for row in refused:
            rest = min(FIRST_REST_S * 2**row.attempts, LONGEST_REST_S)
            self._resting[row.subject] = time.monotonic() + rest
        with self._sessions.begin() as session:
            if sent:
                outbox.mark_sent(session, sent)
            if refused:
                outbox.mark_failed(session, [row.seq for row in refused], PARK_AFTER)


async def _close(channel: AbstractChannel) -> None:
    with suppress(AMQPError, RuntimeError):
        await channel.close()


def _lanes(rows: Sequence[Unsent]) -> list[Lane]:
    lanes: dict[str, Lane] = defaultdict(list)
    for row in rows:
        lanes[row.subject].append(row)
    return list(lanes.values())


async def _publish(channel: AbstractChannel, row: Unsent) -> None:
    with tracing.spans(((f"publish {row.type}", _trace(row)) for row in [row]), "producer"):
        await publish(
            channel,
            EXCHANGE,
            row.type,
            row.envelope.encode(),
            message_id=str(row.event_id),
            content_type=CONTENT_TYPE,
            headers=tracing.headers(),
            mandatory=is_heard(row.type),
        )


def _trace(row: Unsent) -> str | None:
    """What the event has kept of the request that said it."""
    found: str | None = orjson.loads(row.envelope).get("traceparent")
    return found
