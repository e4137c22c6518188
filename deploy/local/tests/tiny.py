"""A service as the gateway's tests need one: it says what it was asked, and misbehaves on request."""

import asyncio
import json
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from common.testing.waiting import eventually


@dataclass
class Tiny:
    """Echoes; the query `code=` sets the status, `bytes=` the size; `hold` waits for release, `break` breaks off
    at once, `tear=` after so many bytes."""

    name: str
    port: int
    heard: Counter[str] = field(default_factory=Counter)
    """How often each request came, as `POST /path`; health checks are not counted."""
    held: int = 0
    _released: bool = False
    _server: uvicorn.Server = field(init=False)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        self._released = False
        config = uvicorn.Config(
            self,
            port=self.port,
            log_level="critical",
            ws="websockets-sansio",
            lifespan="off",
            timeout_keep_alive=120,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))
        self._thread.start()
        eventually(lambda: self._server.started)

    def stop(self) -> None:
        self._released = True  # for what comes only now, too: nobody would release it
        self._server.should_exit = True
        self._thread.join()

    def kill(self) -> None:
        """End as by SIGKILL: every connection is cut, whatever was being answered."""
        loop = self._server.servers[0].get_loop()
        loop.call_soon_threadsafe(self._cut)
        self.stop()

    def release(self) -> None:
        """Answer what is held."""
        self._released = True
        with suppress(AssertionError):
            eventually(lambda: self.held == 0)
        self._released = False

    def _cut(self) -> None:
        for server in self._server.servers:
            server.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/readyz":
            self.heard[f"{scope.get('method', 'WS')} {scope['path']}"] += 1
        if scope["type"] == "websocket":
            await self._echo_socket(receive, send)
            return
        body = await _whole(receive)
        wish, _, figure = scope["query_string"].decode().partition("=")
        if wish == "break":
            receive.__self__.transport.abort()
            return
        if wish == "tear":
            await _begin(send, b"x" * int(figure))
            return
        if wish == "hold":
            await self._hold()
        said = self._said(scope, body) if wish != "bytes" else b"x" * int(figure)
        await _answer(send, int(figure) if wish == "code" else 200, said)

    def _said(self, scope: Any, body: bytes) -> bytes:
        pairs = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        said = {"service": self.name, "path": scope["path"], "bytes": len(body), "headers": dict(pairs), "pairs": pairs}
        return json.dumps(said).encode()

    async def _hold(self) -> None:
        self.held += 1
        try:
            while not self._released:
                await asyncio.sleep(0.01)
        finally:
            self.held -= 1

    async def _echo_socket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"77"), (b"server", b"tiny")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _begin(send: Any, body: bytes) -> None:
    """An answer of unknown length that never ends."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/csv")]})
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _whole(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body
