"""The caches' room: what a cart holds is shown to nobody who asks at the same address."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOR_ONE = "private, no-cache"
"""Kept by the asker's own cache at most, and asked for again before it is shown (RFC 9111, section 5.2.2)."""


class Private:
    """Says so on every answer, refusals too: guests show no Authorization, by which caches would know by themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and answer with Cache-Control where the route has not said otherwise."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Cache-Control", FOR_ONE)
            await send(message)

        await self._app(scope, receive, answer)
