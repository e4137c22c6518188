"""The door of server-sent events: sold counts as they change, for those who only listen (WHATWG HTML, section 9.2).

Each event but the greeting carries its stream and number as id. A browser that was cut off sends the last one with its
next request, and is told what it has missed.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
import structlog
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from common.database import is_gone
from common.knocking import Visitor, from_state, signed
from realtime.audience import Audience
from realtime.board import LastSeen
from realtime.listener import Dismissed, Frame, Listener
from realtime.schemas import SnapshotQuery

log = structlog.get_logger(__name__)

PING_S = 15
"""The framework sends a comment when nothing else was sent for so long (`fastapi.sse`)."""
RETRY_MS = 1000
"""How long a browser waits before it comes back."""

router = APIRouter(prefix="/api/realtime/products", tags=["realtime"], dependencies=signed)

TimeoutDep = Annotated[float, from_state("send_timeout_s")]


async def _ready(audience: Annotated[Audience, from_state("audience")]) -> Audience:
    """Refuse beforehand what could not go on once the answer has begun."""
    await audience.ready()
    return audience


@router.get("/stream/", response_class=EventSourceResponse)
async def stream(
    _: Visitor,
    query: Annotated[SnapshotQuery, Query()],
    audience: Annotated[Audience, Depends(_ready)],
    timeout_s: TimeoutDep,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """`hello`, then `sold_counts` or what was missed since `Last-Event-ID`, then each `product_update`."""
    mouth: asyncio.Queue[Frame | None] = asyncio.Queue(1)
    listener = Listener(mouth.put, timeout_s)
    if query.products is not None:
        listener.subscribe(query.products)
    telling = asyncio.create_task(_tell(audience, listener, LastSeen.read(last_event_id), mouth))
    try:
        while (frame := await mouth.get()) is not None:
            yield _event(frame)
    finally:
        telling.cancel()
        audience.leave(listener)


async def _tell(
    audience: Audience, listener: Listener, seen: LastSeen | None, mouth: "asyncio.Queue[Frame | None]"
) -> None:
    """Greet and tell until the client has to go; it comes back by itself and says what it has seen."""
    try:
        await listener.say(lambda: audience.greet(listener, PING_S))
        if seen is None:
            await audience.begin(listener)
        else:
            await audience.replay(listener, seen.stream, seen.seq)
        await listener.run()
    except Dismissed as dismissed:
        log.info("stream_ended", code=dismissed.code)
    except Exception as error:
        if not is_gone(error):
            log.exception("stream_broke")
    audience.leave(listener)
    await mouth.put(None)


def _event(frame: Frame) -> ServerSentEvent:
    """The greeting has no id: who is cut off right after it has not been told what it missed."""
    said = orjson.loads(frame["text"])
    if said["type"] == "hello":
        return ServerSentEvent(raw_data=frame["text"], event=said["type"], retry=RETRY_MS)
    number = LastSeen(said["stream"], said["seq"])
    return ServerSentEvent(raw_data=frame["text"], event=said["type"], id=str(number))
