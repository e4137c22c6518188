"""The audience's room: who listens for sold counts, and what each is told of them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import orjson
from prometheus_client import Counter, Gauge

from realtime.board import Board, Count, Position
from realtime.following import Follower
from realtime.listener import Frame, Key, Listener, text_frame

LISTENERS = Gauge("stoa_realtime_listeners", "Clients connected to the stream of sold counts")
DELIVERED = Counter("stoa_realtime_updates_total", "Product updates handed to listeners")


class Source(Protocol):
    """Where the audience reads the counts."""

    def board(self) -> Board:
        """All counts as of one moment."""

    def log(self, after: int, up_to: int | None = None) -> tuple[int, Sequence[Count]]:
        """The stream's newest number, and some of its messages after the given one."""


class Audience(Follower[Board, Count, Listener]):
    """Those who listen for sold counts."""

    name = "realtime audience"

    def __init__(self, source: Source) -> None:
        super().__init__(LISTENERS)
        self._source = source

    @property
    def board(self) -> Board:
        """The counts as this process tells them. Raises Unavailable."""
        return self.at

    def _start(self) -> Board:
        return self._source.board()

    def _log(self, after: int) -> tuple[int, Sequence[Count]]:
        return self._source.log(after)

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

    async def _send_all(self, listener: Listener, **extra: Any) -> None:
        snapshot = self.board.snapshot(listener.only, type="sold_counts", **extra)
        listener.forget()
        await listener.send(text_frame(snapshot))

    async def _resend(self, listener: Listener, at: Board, after: int) -> bool:
        """Send the log up to the board, chunk by chunk; False where it has a gap, or is of another stream by now."""
        while after < at.seq:
            _, entries = await asyncio.to_thread(self._source.log, after, at.seq)
            if self.at is not at or not Position(at.stream, after).follows(entries):
                return False
            for entry in entries:
                if listener.wants(entry.product_id):
                    await listener.send(_update(at.stream, entry))
            after = entries[-1].seq
        return self.at is at


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
