"""The audience's room: who listens, and the loop that reads the log and tells everyone what is new."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import orjson
import structlog
from prometheus_client import Counter, Gauge

from common.errors import Unavailable
from common.running import Bell
from realtime.board import Board, Count
from realtime.listener import Frame, Key, Listener, text_frame

log = structlog.get_logger(__name__)

POLL_S = 0.5
"""Safety net under the wake-ups: finds what another process has counted while Redis is away (reliability 3.5)."""
MANY = 500
PAUSE_S = 0.1
"""After so many deliveries at once, what comes next gathers for a moment (design: performance, section 3)."""
READY_S = 2.0
BEGUN_ANEW = 1012
"""Close code "service restart" (registry of RFC 6455)."""

LISTENERS = Gauge("stoa_realtime_listeners", "Clients connected to the stream of sold counts")
DELIVERED = Counter("stoa_realtime_updates_total", "Product updates handed to listeners")


class Source(Protocol):
    """Where the audience reads the counts."""

    def board(self) -> Board:
        """All counts as of one moment."""

    def log(self, after: int, up_to: int | None = None) -> tuple[int, Sequence[Count]]:
        """The stream's newest number, and some of its messages after the given one."""


class Audience:
    """Everyone connected to this process, told from the log in the order of its numbers."""

    name = "realtime audience"

    def __init__(self, source: Source) -> None:
        self._source = source
        self._board: Board | None = None
        self._listeners: set[Listener] = set()
        self._bell = Bell()
        self._heard: list[Count] = []
        self._look = True
        self._begun = asyncio.Event()
        self._reading = asyncio.Lock()

    async def run(self) -> None:
        """Read the log whenever woken, and every now and then in any case."""
        if self._board is None:
            await self._begin()
        while True:
            if await self._go_on() > MANY:
                await asyncio.sleep(PAUSE_S)
            await self._bell.wait(POLL_S)

    def wake(self) -> None:
        """Something has been counted: look into the log."""
        self._look = True
        self._bell.ring()

    def hear(self, counts: Sequence[Count]) -> None:
        """What this very process has counted; the log says the same."""
        self._heard += counts
        self._bell.ring()

    async def ready(self) -> Board:
        """The board, once it is there. Raises Unavailable."""
        try:
            async with asyncio.timeout(READY_S):
                await self._begun.wait()
        except TimeoutError:
            raise Unavailable("the counts cannot be had yet; try again shortly") from None
        return self.board

    @property
    def board(self) -> Board:
        """The counts as this process tells them."""
        if self._board is None:
            raise Unavailable("the counts cannot be had yet; try again shortly")
        return self._board

    def join(self, listener: Listener) -> None:
        """Tell this listener from now on."""
        self._listeners.add(listener)
        LISTENERS.set(len(self._listeners))

    def greet(self, listener: Listener, heartbeat_s: int) -> bytes:
        """The greeting of a listener who joins; the pushes that follow it begin right after its number."""
        self.join(listener)
        said = {"type": "hello", "stream": self.board.stream, "seq": self.board.seq, "heartbeat_s": heartbeat_s}
        return orjson.dumps(said)

    def leave(self, listener: Listener) -> None:
        """Tell it no more."""
        self._listeners.discard(listener)
        LISTENERS.set(len(self._listeners))

    async def _go_on(self) -> int:
        """Tell everyone what is new; how many deliveries that made.

        What was heard is spread at once where the board stands just before it, which spares a look into the log.
        """
        async with self._reading:
            heard, self._heard = self._heard, []
            told = self.board.follows(heard)
            delivered = self._spread(heard) if told else 0
        if told and not self._look:
            return delivered
        self._look = False
        return delivered + await self.catch_up()

    async def catch_up(self) -> int:
        """Tell everyone what the log holds after the board; how many deliveries that made."""
        async with self._reading:
            delivered = 0
            while True:
                head, entries = await asyncio.to_thread(self._source.log, self.board.seq)
                if not entries and head == self.board.seq:
                    return delivered
                if not self.board.follows(entries):
                    await self._begin()
                    return delivered
                delivered += self._spread(entries)
                if self.board.seq >= head:
                    return delivered

    async def replay(self, listener: Listener, stream: str, last_seq: int) -> None:
        """Send a listener what it has missed; where that is no longer known, a snapshot marked as a reset.

        What waits is in either, and is not sent before it: whoever was cut off again would take the newer number for
        all that came before.
        """
        if last_seq > self.board.seq:
            await self.catch_up()
        async with listener.turn:
            if stream == self.board.stream and last_seq <= self.board.seq and await self._resend(listener, last_seq):
                listener.forget()
            else:
                await self._send_all(listener, reset=True)

    async def begin(self, listener: Listener) -> None:
        """Send a listener who knows nothing yet the counts of all that it listens for."""
        async with listener.turn:
            await self._send_all(listener)

    async def _send_all(self, listener: Listener, **extra: bool) -> None:
        snapshot = self.board.snapshot(listener.only, type="sold_counts", **extra)
        listener.forget()
        await listener.send(text_frame(snapshot))

    async def _resend(self, listener: Listener, after: int) -> bool:
        """Send the log up to the board, chunk by chunk; False where it has a gap."""
        while after < self.board.seq:
            _, entries = await asyncio.to_thread(self._source.log, after, self.board.seq)
            if not entries or entries[0].seq != after + 1:
                return False
            for entry in entries:
                if listener.wants(entry.product_id):
                    await listener.send(_update(self.board.stream, entry))
            after = entries[-1].seq
        return True

    async def _begin(self) -> None:
        """Take the counts as they stand; who listens already must resume, as the log cannot tell what came between."""
        self._board = await asyncio.to_thread(self._source.board)
        self._begun.set()
        for listener in self._listeners:
            listener.dismiss(BEGUN_ANEW)
        log.info("board_loaded", stream=self._board.stream, seq=self._board.seq)

    def _spread(self, entries: Sequence[Count]) -> int:
        """Put the newest entry of each product with what waits for its listeners."""
        self.board.apply(entries)
        newest: dict[int, Count] = {}
        for entry in entries:
            newest.pop(entry.product_id, None)
            newest[entry.product_id] = entry
        frames: dict[Key, Frame] = {product: _update(self.board.stream, entry) for product, entry in newest.items()}
        delivered = sum(listener.tell(frames) for listener in self._listeners)
        DELIVERED.inc(delivered)
        return delivered


def _update(stream: str, count: Count) -> Frame:
    """The push that tells of a count; one frame for everyone."""
    body = {
        "type": "product_update",
        "product_id": count.product_id,
        "sold_count": count.sold_count,
        "seq": count.seq,
        "stream": stream,
    }
    return text_frame(orjson.dumps(body))
