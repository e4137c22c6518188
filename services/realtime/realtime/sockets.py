"""The WebSocket door for everyone: the stream of sold counts, and an echo."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, WebSocket

from common.fields import Body
from common.knocking import from_state
from realtime.audience import Audience
from realtime.entrance import Entrance
from realtime.listener import Frame, Listener, text_frame
from realtime.schemas import MOST_SUBSCRIBED, GetSoldCounts, Ping, Resume, Subscribe, Unsubscribe
from realtime.straight import straight_to
from realtime.wire import Actions, Misunderstood, accepted, answer_all, greeted, heard, pushing, sender

AudienceDep = Annotated[Audience, from_state("audience")]
EntranceDep = Annotated[Entrance, from_state("entrance")]
TimeoutDep = Annotated[float, from_state("send_timeout_s")]

router = APIRouter()


@router.websocket("/ws/products/")
async def products(websocket: WebSocket, audience: AudienceDep, entrance: EntranceDep, timeout_s: TimeoutDep) -> None:
    """Sold counts as they change."""
    async with accepted(websocket), entrance.anyone(websocket):
        await _converse(websocket, audience, Listener(sender(websocket), timeout_s, straight_to(websocket)))


@router.websocket("/ws/echo/")
async def echo(websocket: WebSocket, entrance: EntranceDep, timeout_s: TimeoutDep) -> None:
    """Whatever is said comes back."""
    async with accepted(websocket), entrance.anyone(websocket):
        line = Listener(sender(websocket), timeout_s)
        async for message in heard(websocket):
            await line.send(_echoed(message))


def _echoed(message: Frame) -> Frame:
    if message.get("text") is None:
        return {"type": "websocket.send", "bytes": message["bytes"]}
    try:
        said = orjson.loads(message["text"])["message"]
    except (ValueError, TypeError, KeyError):
        return text_frame(orjson.dumps({"error": 'send a JSON object with a "message"'}))
    word = said if isinstance(said, str) else orjson.dumps(said).decode()
    return text_frame(orjson.dumps({"message": f"Echo: {word}"}))


async def _converse(websocket: WebSocket, audience: Audience, listener: Listener) -> None:
    """Greet, then push and answer side by side."""
    try:
        async with pushing(listener):
            await greeted(audience, listener)
            await answer_all(websocket, listener, ACTIONS, partial(_answer, audience, listener))
    finally:
        audience.leave(listener)


async def _answer(audience: Audience, listener: Listener, request: Body) -> None:
    await ANSWERS[type(request)](audience, listener, request)


async def _counts(audience: Audience, listener: Listener, _: GetSoldCounts) -> None:
    await listener.say(lambda: audience.board.snapshot(type="sold_counts"))


async def _subscribe(audience: Audience, listener: Listener, request: Subscribe) -> None:
    ids = _room_for(listener.only, request.product_ids)
    listener.subscribe(ids)
    await listener.say(partial(orjson.dumps, {"type": "subscribed", "product_ids": ids}))
    await listener.say(lambda: audience.board.snapshot(ids, type="sold_counts"))


async def _unsubscribe(_: Audience, listener: Listener, request: Unsubscribe) -> None:
    ids = _room_for(listener.but, request.product_ids)
    listener.unsubscribe(ids)
    await listener.say(partial(orjson.dumps, {"type": "unsubscribed", "product_ids": ids}))


def _room_for(picked: set[int] | None, asked: list[int]) -> list[int]:
    """The ids asked for, each once, if the client may pick that many."""
    ids = list(dict.fromkeys(asked))
    if len((picked or set()).union(ids)) > MOST_SUBSCRIBED:
        raise Misunderstood("too_many_products", f"a client may pick {MOST_SUBSCRIBED} products")
    return ids


async def _resume(audience: Audience, listener: Listener, request: Resume) -> None:
    await audience.replay(listener, request.stream, request.last_seq)


async def _pong(_: Audience, listener: Listener, __: Ping) -> None:
    await listener.say(partial(orjson.dumps, {"type": "pong"}))


Answer = Callable[[Audience, Listener, Any], Awaitable[None]]

ACTIONS: Actions = {
    "get_sold_counts": GetSoldCounts,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "resume": Resume,
    "ping": Ping,
}
ANSWERS: dict[type[Body], Answer] = {
    GetSoldCounts: _counts,
    Subscribe: _subscribe,
    Unsubscribe: _unsubscribe,
    Resume: _resume,
    Ping: _pong,
}
