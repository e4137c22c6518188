"""The threshold's room: what every request passes before its route (request id, trace, trailing slash)."""

import re
from random import getrandbits

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from common import refusals, tracing
from common.draining import Drain
from common.ids import new_id

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2.2."""
READ = frozenset((b"x-request-id", b"traceparent", b"authorization"))
"""Headers that are looked at here, in one pass: each request pays for it."""


class Threshold:
    """Gives each request its id and trace, and serves a path without its closing slash by the same handler."""

    def __init__(self, app: ASGIApp, service: str, drain: Drain | None = None) -> None:
        self._app = app
        self._service = service
        self._drain = drain or Drain(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind, hand on, and answer the id."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        shown = {name: value.decode("latin-1") for name, value in scope["headers"] if name in READ}
        request_id = _accepted(REQUEST_ID, shown.get(b"x-request-id")) or str(new_id())
        trace = tracing.of_framework() or _accepted(TRACEPARENT, shown.get(b"traceparent")) or _new_trace()
        scope.setdefault("state", {})["request_id"] = request_id
        _close_path(scope)
        clear_contextvars()
        bind_contextvars(service=self._service, request_id=request_id, traceparent=trace)

        answer = _Answer(send, request_id, personal=b"authorization" in shown, last=self._drain.begun)
        await self._app(scope, receive, answer)


class _Answer:
    """Puts the request's id on the answer; a 413 of the framework, which is plain text, becomes a problem.

    What is answered to somebody who has shown a token is theirs: no cache keeps it for others, and a browser asks again
    before it shows it (RFC 9111, section 5.2.2), unless the route has said otherwise. The last answer on a connection
    says so, that nobody sends on it what nobody reads any more.
    """

    def __init__(self, send: Send, request_id: str, *, personal: bool, last: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._personal = personal
        self._last = last
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._replaced = _is_plain_413(message)
            if self._replaced:
                message["headers"] = [(b"content-type", refusals.MEDIA_TYPE.encode())]
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id.encode())]
            if self._last:
                message["headers"].append((b"connection", b"close"))
            if self._personal:
                MutableHeaders(scope=message).setdefault("Cache-Control", "private, no-cache")
        elif self._replaced and message["type"] == "http.response.body":
            message = {"type": "http.response.body", "body": refusals.too_large(self._request_id)}
        await self._send(message)


def _is_plain_413(message: Message) -> bool:
    if message["status"] != 413:
        return False
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain")


def _new_trace() -> str:
    """A trace that begins here; its number is no secret."""
    return f"00-{getrandbits(128):032x}-{getrandbits(64):016x}-01"


def _accepted(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and pattern.fullmatch(text) else None


def _close_path(scope: Scope) -> None:
    path: str = scope["path"]
    if path.startswith(("/api/", "/ws/", "/internal/")) and not path.endswith(("/", ".json")):
        scope["path"] = path + "/"
        if "raw_path" in scope:
            scope["raw_path"] += b"/"
