"""The wire's room: what all sockets have in common: they are accepted, heard, understood, and closed with a code."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import orjson
import structlog
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from common.database import is_gone
from common.errors import Unavailable
from common.fields import Body
from realtime.following import Follower, Who
from realtime.listener import TRY_LATER, Dismissed, Frame, Gone, Listener, Send, TooSlow
from realtime.pace import Pace

log = structlog.get_logger(__name__)

HEARTBEAT_S = 20
"""The web server pings this often (its `--ws-ping-interval`)."""
TOO_MANY = 4429
"""Close code: too many sockets or messages; codes of our own lie between 4000 and 4999 (RFC 6455, section 7.4.2)."""
GRACE_S = 3.0
"""How long a client that was too slow may take to read its close code before the connection is cut."""
NO_LINGERING = struct.pack("ii", 1, 0)
"""Else the kernel would go on offering the unread bytes for minutes (socket(7), SO_LINGER)."""

Actions = Mapping[str, type[Body]]
Answer = Callable[[Any], Awaitable[None]]


class Misunderstood(Exception):
    """What the client said cannot be acted upon; the connection stays."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.body = {"type": "error", "code": code, "detail": detail}


@asynccontextmanager
async def accepted(websocket: WebSocket) -> AsyncIterator[None]:
    """A conversation from beginning to end; whoever has to go is told so by a close code, which a browser sees.

    It would not see the answer to a handshake that is refused (design: public surface, 9.14).
    """
    await websocket.accept()
    try:
        yield
    except* Dismissed as dismissed:
        await _dismiss(websocket, dismissed)
    except* Gone:
        pass


def sender(websocket: WebSocket) -> Send:
    """A way to send a frame; it raises Gone when the client has left."""

    async def send(frame: Frame) -> None:
        try:
            await websocket.send(frame)
        except (WebSocketDisconnect, RuntimeError) as error:  # the latter once the server has closed by itself
            raise Gone from error

    return send


@asynccontextmanager
async def pushing(listener: Listener, *more: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Send what waits for the listener, and do what else is given, while the block goes on.

    When the block ends, so does that; when that breaks, so does the block.
    """
    async with asyncio.TaskGroup() as group:
        sending = [group.create_task(part) for part in (listener.run(), *more)]
        yield
        for task in sending:
            task.cancel()


async def greeted(follower: Follower[Any, Any, Who], listener: Who) -> None:
    """Say hello; from there on the listener is told. Raises Dismissed while nothing can be told yet."""
    try:
        await follower.ready()
    except Unavailable:
        raise Dismissed(TRY_LATER) from None
    await listener.say(partial(follower.greet, listener, HEARTBEAT_S))


async def answer_all(websocket: WebSocket, listener: Listener, actions: Actions, answer: Answer) -> None:
    """Answer whatever the client asks until it leaves; what cannot be answered is said, and the connection stays."""
    async for message in heard(websocket):
        try:
            await _answer(understood(message, actions), answer)
        except Misunderstood as error:
            await listener.say(partial(orjson.dumps, error.body))


async def _answer(request: Body, answer: Answer) -> None:
    try:
        await answer(request)
    except Exception as error:
        if not is_gone(error):
            raise
        raise Misunderstood("unavailable", "this cannot be read now; try again shortly") from error


async def heard(websocket: WebSocket) -> AsyncIterator[Frame]:
    """What the client says, until it leaves. Raises Dismissed when that is too much in too short a time."""
    pace = Pace(websocket.app.state.messages_per_s, asyncio.get_running_loop().time)
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if not pace.keeps():
            raise Dismissed(TOO_MANY)
        yield dict(message)


def understood(message: Frame, actions: Actions) -> Body:
    """The request in a message. Raises Misunderstood."""
    text = message.get("text")
    if text is None:
        raise Misunderstood("not_text", "send JSON in text frames")
    try:
        said = orjson.loads(text)
    except ValueError:
        raise Misunderstood("invalid_json", "this is not valid JSON") from None
    action = said.get("action") if isinstance(said, dict) else None
    if not isinstance(action, str) or action not in actions:
        raise Misunderstood("unknown_action", f'send an object with an "action": {", ".join(actions)}')
    try:
        return actions[action].model_validate(said)
    except ValidationError as error:
        raise Misunderstood("invalid", _complaint(error)) from None


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


async def _dismiss(websocket: WebSocket, dismissed: BaseExceptionGroup[Dismissed]) -> None:
    """Say the close code; a client that took too little is cut off after a grace, for it may never read that far."""
    code = next(iter(dismissed.exceptions)).code  # type: ignore[union-attr]
    loop = asyncio.get_running_loop()
    until = loop.time() + GRACE_S
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout_at(until):
            await websocket.close(code)
    if dismissed.subgroup(TooSlow) is not None:
        log.info("listener_too_slow")
        await asyncio.sleep(until - loop.time())
        _cut(websocket)


def _cut(websocket: WebSocket) -> None:
    """Drop the connection with what still waits in it: ASGI has no word for that, and a close would wait behind it."""
    transport = getattr(getattr(websocket._receive, "__self__", None), "transport", None)
    if transport is not None and not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGERING)
        transport.abort()
