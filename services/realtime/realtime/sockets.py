"""The WebSocket door: the stream of sold counts, and an echo."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from common.database import is_gone
from common.errors import Unauthorized, Unavailable
from common.fields import Body
from common.knocking import anyone, from_state, sent_token
from realtime.audience import Audience
from realtime.listener import TRY_LATER, Dismissed, Frame, Gone, Listener, Send, text_frame
from realtime.schemas import MOST_SUBSCRIBED, GetSoldCounts, Ping, Resume, Subscribe, Unsubscribe
from realtime.straight import straight_to

log = structlog.get_logger(__name__)

HEARTBEAT_S = 20
"""The web server pings this often (its `--ws-ping-interval`)."""
GRACE_S = 3.0
"""How long a client that was too slow may take to read its close code before the connection is cut."""
SIGN_IN = 4401
"""Close code for a token that is not good; who sends none is welcome."""
NO_LINGERING = struct.pack("ii", 1, 0)
"""Else the kernel would go on offering the unread bytes for minutes (socket(7), SO_LINGER)."""

AudienceDep = Annotated[Audience, from_state("audience")]
TimeoutDep = Annotated[float, from_state("send_timeout_s")]

router = APIRouter()


class Misunderstood(Exception):
    """What the client said cannot be acted upon; the connection stays."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.body = {"type": "error", "code": code, "detail": detail}


@router.websocket("/ws/products/")
async def products(websocket: WebSocket, audience: AudienceDep, timeout_s: TimeoutDep) -> None:
    """Sold counts as they change."""
    if not await _welcome(websocket):
        return
    listener = Listener(_sender(websocket), timeout_s, straight_to(websocket))
    try:
        await _converse(websocket, audience, listener)
    except* Dismissed as dismissed:
        await _dismiss(websocket, dismissed)
    except* Gone:
        pass


@router.websocket("/ws/echo/")
async def echo(websocket: WebSocket, timeout_s: TimeoutDep) -> None:
    """Whatever is said comes back."""
    if not await _welcome(websocket):
        return
    line = Listener(_sender(websocket), timeout_s)
    try:
        async for message in _heard(websocket):
            await line.send(_echoed(message))
    except* Dismissed as dismissed:
        await _dismiss(websocket, dismissed)
    except* Gone:
        pass


async def _welcome(websocket: WebSocket) -> bool:
    """Accept, and close again on a token that is not good: so a browser sees why (design: public surface, 9.14)."""
    await websocket.accept()
    try:
        await anyone(websocket, await sent_token(websocket))
    except Unauthorized:
        await websocket.close(SIGN_IN)
        return False
    except Unavailable:
        await websocket.close(TRY_LATER)
        return False
    return True


def _sender(websocket: WebSocket) -> Send:
    async def send(frame: Frame) -> None:
        try:
            await websocket.send(frame)
        except (WebSocketDisconnect, RuntimeError) as error:  # the latter once the server has closed by itself
            raise Gone from error

    return send


async def _heard(websocket: WebSocket) -> AsyncIterator[Frame]:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        yield dict(message)


async def _dismiss(websocket: WebSocket, dismissed: BaseExceptionGroup[Dismissed]) -> None:
    """Say the close code; a client that took too little is cut off after a grace, for it may never read that far."""
    code = next(iter(dismissed.exceptions)).code  # type: ignore[union-attr]
    loop = asyncio.get_running_loop()
    until = loop.time() + GRACE_S
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout_at(until):
            await websocket.close(code)
    if code == TRY_LATER:
        log.info("listener_too_slow")
        await asyncio.sleep(until - loop.time())
        _cut(websocket)


def _cut(websocket: WebSocket) -> None:
    """Drop the connection with what still waits in it: ASGI has no word for that, and a close would wait behind it."""
    transport = getattr(getattr(websocket._receive, "__self__", None), "transport", None)
    if transport is not None and not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGERING)
        transport.abort()


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
    """Push and answer side by side; when either ends, so does the other."""
    try:
        async with asyncio.TaskGroup() as group:
            pushing = group.create_task(listener.run())
            await _attend(websocket, audience, listener)
            pushing.cancel()
    finally:
        audience.leave(listener)


async def _attend(websocket: WebSocket, audience: Audience, listener: Listener) -> None:
    """Greet, then answer until the client leaves."""
    try:
        await audience.ready()
    except Unavailable:
        raise Dismissed(TRY_LATER) from None
    await listener.say(partial(audience.greet, listener, HEARTBEAT_S))
    async for message in _heard(websocket):
        try:
            await _answer(audience, listener, message)
        except Misunderstood as error:
            await listener.say(partial(orjson.dumps, error.body))


async def _answer(audience: Audience, listener: Listener, message: Frame) -> None:
    request = _understood(message)
    try:
        await ANSWERS[type(request)](audience, listener, request)
    except Exception as error:
        if not is_gone(error):
            raise
        raise Misunderstood("unavailable", "the counts cannot be read now; try again shortly") from error


def _understood(message: Frame) -> Body:
    text = message.get("text")
    if text is None:
        raise Misunderstood("not_text", "send JSON in text frames")
    try:
        said = orjson.loads(text)
    except ValueError:
        raise Misunderstood("invalid_json", "this is not valid JSON") from None
    action = said.get("action") if isinstance(said, dict) else None
    if not isinstance(action, str) or action not in ACTIONS:
        raise Misunderstood("unknown_action", f'send an object with an "action": {", ".join(ACTIONS)}')
    try:
        return ACTIONS[action].model_validate(said)
    except ValidationError as error:
        raise Misunderstood("invalid", _complaint(error)) from None


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


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

ACTIONS: dict[str, type[Body]] = {
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
