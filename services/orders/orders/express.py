"""The express lane: a plain order goes to the till before the framework hears of the request.

What a framework does around a route costs more than the route itself (design: performance, section 1), and placing
orders is what a shop must be fast at. Whatever is not plain, or is to be refused before it is an order, goes on to the
route, which says why.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import refusals
from common.idempotency import check_key
from common.knocking import token_of
from common.replies import reply
from common.tokens import Tokens
from orders.schemas import NewOrder
from orders.till import Till
from orders.wishing import PATH

JSON = b"application/json"
READ = frozenset((b"authorization", b"content-length", b"content-type", b"idempotency-key", b"transfer-encoding"))


@dataclass(frozen=True)
class Wish:
    """What is needed to place an order."""

    user_id: UUID
    key: str | None
    body: NewOrder


@dataclass(frozen=True)
class Headers:
    """Those that decide over an order, each sent once at most."""

    values: dict[bytes, bytes]
    length: int

    @classmethod
    def of(cls, sent: Sequence[tuple[bytes, bytes]], longest: int) -> Self | None:
        """None unless they are those of a plain request with a body of at most `longest` bytes."""
        read = [(name, value) for name, value in sent if name in READ]
        values = dict(read)
        length = values.get(b"content-length", b"0")
        if len(values) < len(read) or b"authorization" not in values or b"transfer-encoding" in values:
            return None
        if not length.isdigit() or int(length) > longest or (int(length) and values.get(b"content-type") != JSON):
            return None
        return cls(values, int(length))

    def text(self, name: bytes) -> str | None:
        """A header's value."""
        value = self.values.get(name)
        return None if value is None else value.decode("latin-1")


class ExpressLane:
    """Takes plain orders; hands everything else on."""

    def __init__(self, app: ASGIApp, tokens: Tokens, till: Till, longest: int) -> None:
        self._app = app
        self._tokens = tokens
        self._till = till
        self._longest = longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Place the order, or hand the request on as it came."""
        headers = Headers.of(scope["headers"], self._longest) if _is_order(scope) else None
        if headers is None:
            await self._app(scope, receive, send)
            return
        body = await _read(receive) if headers.length else b""
        if body is None:
            return
        wish = await self._understand(headers, body)
        if wish is None:
            await self._app(scope, _replayed(body, receive), send)
            return
        answer = await self._place(Request(scope), wish)
        await answer(scope, receive, send)

    async def _understand(self, headers: Headers, body: bytes) -> Wish | None:
        """None for what is to be refused, or cannot be understood now: the route says why, or has better luck."""
        try:
            user = await self._tokens.user(token_of(headers.text(b"authorization") or ""))
            order = NewOrder.model_validate(json.loads(body)) if body else NewOrder()
            return Wish(user.id, check_key(headers.text(b"idempotency-key")), order)
        except Exception:
            return None

    async def _place(self, request: Request, wish: Wish) -> Response:
        try:
            return reply(request, await self._till.place(wish.user_id, wish.key, wish.body))
        except Exception as error:
            return await refusals.refuse(request, error)


def _is_order(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == PATH and not scope["query_string"]


async def _read(receive: Receive) -> bytes | None:
    """The body; None when the client has gone before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The request's messages for the next reader, from its first one on."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again
