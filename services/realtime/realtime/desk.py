"""The desk's room: users hear what becomes of their own orders, administrators of everyone's."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import orjson
from prometheus_client import Gauge

from common.fields import show_time
from realtime.board import Position
from realtime.following import BEGUN_ANEW, Follower
from realtime.listener import Dismissed, Frame, Guest, Key, text_frame
from realtime.news import Standing, Step

LISTENERS = Gauge("stoa_realtime_order_listeners", "Clients connected to the stream of orders")


class Source(Protocol):
    """Where the desk reads of orders; `owner` is whose they are, None for everyone's."""

    def position(self) -> Position:
        """The stream and its newest number."""

    def log(self, after: int) -> tuple[int, Sequence[Step]]:
        """The stream's newest number, and some of its messages after the given one."""

    def missed(self, owner: UUID | None, after: int, up_to: int) -> tuple[int, Sequence[Step]] | None:
        """Some of an owner's messages after a number, and the number up to which these are all; None past a gap."""

    def standing(self, owner: UUID | None) -> tuple[int, Sequence[Standing]]:
        """The stream's newest number, and where the orders stood at that moment that moved last."""


class Desk(Follower[Position, Step, Guest]):
    """Those who listen for orders."""

    name = "realtime desk"

    def __init__(self, source: Source) -> None:
        super().__init__(LISTENERS)
        self._source = source

    def _start(self) -> Position:
        return self._source.position()

    def _log(self, after: int) -> tuple[int, Sequence[Step]]:
        return self._source.log(after)

    def _spread(self, entries: Sequence[Step]) -> int:
        """Put the newest step of each order with what waits for whom it concerns."""
        self.at.seq = entries[-1].seq
        everyones: dict[Key, Frame] = {}
        own: dict[UUID, dict[Key, Frame]] = defaultdict(dict)
        for step in entries:
            frame = _update(self.at.stream, step)
            for frames in (everyones, own[step.user_id]):
                frames.pop(step.order_id, None)
                frames[step.order_id] = frame
        told = ((guest, everyones if guest.user.is_admin else own.get(guest.user.id)) for guest in self._listeners)
        return sum(guest.tell(frames) for guest, frames in told if frames)

    async def _send_all(self, listener: Guest, **extra: Any) -> None:
        """Where the orders stand, then what has come while that was read; what waits is in either."""
        at = self.at
        seq, standing = await asyncio.to_thread(self._source.standing, _owner(listener))
        if seq > at.seq:
            await self.catch_up()
        if self.at is not at:
            raise Dismissed(BEGUN_ANEW)
        data = [_shown(it) for it in standing]
        body = {"type": "orders", **extra, "stream": at.stream, "seq": seq, "data": data}
        await listener.send(text_frame(orjson.dumps(body)))
        if not await self._resend(listener, at, seq):
            raise Dismissed(BEGUN_ANEW)
        listener.forget()

    async def _resend(self, listener: Guest, at: Position, after: int) -> bool:
        """Send what concerns the listener, chunk by chunk; False past a gap, or of another stream by now."""
        while after < at.seq:
            found = await asyncio.to_thread(self._source.missed, _owner(listener), after, at.seq)
            if found is None or self.at is not at:
                return False
            after, steps = found
            for step in steps:
                await listener.send(_update(at.stream, step))
        return self.at is at


def _owner(guest: Guest) -> UUID | None:
    return None if guest.user.is_admin else guest.user.id


def _shown(it: Standing) -> dict[str, Any]:
    return {"order_id": str(it.order_id), "number": it.number, "status": it.status, "at": show_time(it.at)}


def _update(stream: str, step: Step) -> Frame:
    """The push that tells of a step; one frame for everyone."""
    body = {
        "type": "order_update",
        "order_id": str(step.order_id),
        "number": step.number,
        "status": step.status,
        "previous": step.previous,
        "at": show_time(step.at),
        "seq": step.seq,
        "stream": stream,
    }
    return text_frame(orjson.dumps(body))
