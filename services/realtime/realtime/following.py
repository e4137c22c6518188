"""The followers' room: the loop that reads a log in the order of its numbers, and tells everyone what is new in it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import orjson
import structlog
from prometheus_client import Gauge

from common import tracing
from common.errors import Unavailable
from common.running import Bell
from realtime.board import Numbered, Position
from realtime.listener import Listener

log = structlog.get_logger(__name__)

POLL_S = 0.5
"""Safety net under the wake-ups: finds what another process has written while Redis is away (reliability 3.5)."""
MANY = 500
PAUSE_S = 0.1
"""After so many deliveries at once, what comes next gathers for a moment (design: performance, section 3)."""
READY_S = 2.0
BEGUN_ANEW = 1012
"""Close code "service restart" (registry of RFC 6455)."""

At = TypeVar("At", bound=Position)
Entry = TypeVar("Entry", bound=Numbered)
Who = TypeVar("Who", bound=Listener)


class Follower(Generic[At, Entry, Who]):
    """Everyone connected to this process, told from the log in the order of its numbers.

    A child knows its log: `_start` and `_log`, which block, and how to tell: `_spread`, `_resend`, `_send_all`.
    """

    name = ""

    def __init__(self, listeners: Gauge) -> None:
        self._at: At | None = None
        self._listeners: set[Who] = set()
        self._number = listeners
        self._bell = Bell()
        self._heard: list[Entry] = []
        self._cause: str | None = None
        self._look = True
        self._begun = asyncio.Event()
        self._reading = asyncio.Lock()

    async def run(self) -> None:
        """Read the log whenever woken, and every now and then in any case."""
        if self._at is None:
            await self._begin()
        while True:
            if await self._go_on() > MANY:
                await asyncio.sleep(PAUSE_S)
            await self._bell.wait(POLL_S)

    def wake(self) -> None:
        """Something has been written: look into the log."""
        self._look = True
        self._bell.ring()

    def hear(self, entries: Sequence[Entry]) -> None:
        """What this very process has written, if anything; the log says the same."""
        if entries:
            self._heard += entries
            self._cause = tracing.at_hand()
            self._bell.ring()

    async def ready(self) -> At:
        """How far it has come, once it has begun. Raises Unavailable."""
        try:
            async with asyncio.timeout(READY_S):
                await self._begun.wait()
        except TimeoutError:
            raise _not_yet() from None
        return self.at

    @property
    def at(self) -> At:
        """How far this process has told. Raises Unavailable."""
        if self._at is None:
            raise _not_yet()
        return self._at

    def join(self, listener: Who) -> None:
        """Tell this listener from now on."""
        self._listeners.add(listener)
        self._number.set(len(self._listeners))

    def greet(self, listener: Who, heartbeat_s: int) -> bytes:
        """The greeting of a listener who joins; the pushes that follow it begin right after its number."""
        self.join(listener)
        said = {"type": "hello", "stream": self.at.stream, "seq": self.at.seq, "heartbeat_s": heartbeat_s}
        return orjson.dumps(said)

    def leave(self, listener: Who) -> None:
        """Tell it no more."""
        self._listeners.discard(listener)
        self._number.set(len(self._listeners))

    async def replay(self, listener: Who, stream: str, last_seq: int) -> None:
        """Send a listener what it has missed; where that is no longer known, a snapshot marked as a reset.

        What waits is in either, and is not sent before it: whoever was cut off again would take the newer number for
        all that came before.
        """
        if last_seq > self.at.seq:
            await self.catch_up()
        async with listener.turn:
            at = self.at
            if stream == at.stream and last_seq <= at.seq and await self._resend(listener, at, last_seq):
                listener.forget()
            else:
                await self._send_all(listener, reset=True)

    async def begin(self, listener: Who) -> None:
        """Send a listener who knows nothing yet all that it listens for."""
        async with listener.turn:
            await self._send_all(listener)

    async def catch_up(self) -> int:
        """Tell everyone what the log holds after the present position; how many deliveries that made."""
        async with self._reading:
            delivered = 0
            while True:
                head, entries = await asyncio.to_thread(self._log, self.at.seq)
                if not entries and head == self.at.seq:
                    return delivered
                if not self.at.follows(entries):
                    await self._begin()
                    return delivered
                delivered += self._spread(entries)
                if self.at.seq >= head:
                    return delivered

    async def _go_on(self) -> int:
        """Tell everyone what is new; how many deliveries that made.

        What was heard is spread at once where it goes on just here, which spares a look into the log.
        """
        async with self._reading:
            heard, self._heard = self._heard, []
            told = self.at.follows(heard)
            delivered = self._push(heard if told else []) if heard else 0
        if told and not self._look:
            return delivered
        self._look = False
        return delivered + await self.catch_up()

    def _push(self, entries: Sequence[Entry]) -> int:
        """Tell what this process has just written, in the trace of the event that it comes from.

        Nothing is left of it where a look into the log came first.
        """
        with tracing.span(f"push {self.name}", parent=self._cause, about={"listeners": len(self._listeners)}):
            return self._spread(entries) if entries else 0

    async def _begin(self) -> None:
        """Begin at the end of the log; who listens already must resume, as the log cannot tell what came between."""
        self._at = await asyncio.to_thread(self._start)
        self._begun.set()
        for listener in self._listeners:
            listener.dismiss(BEGUN_ANEW)
        log.info("stream_begun", work=self.name, stream=self.at.stream, seq=self.at.seq)

    def _start(self) -> At:
        raise NotImplementedError

    def _log(self, after: int) -> tuple[int, Sequence[Entry]]:
        raise NotImplementedError

    def _spread(self, entries: Sequence[Entry]) -> int:
        raise NotImplementedError

    async def _resend(self, listener: Who, at: At, after: int) -> bool:
        """Send what the log holds up to this position; False past a gap, or when all has begun anew meanwhile."""
        raise NotImplementedError

    async def _send_all(self, listener: Who, **extra: Any) -> None:
        raise NotImplementedError


def _not_yet() -> Unavailable:
    return Unavailable("what is asked for cannot be had yet; try again shortly")
