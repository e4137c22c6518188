"""The room of finished answers: what is asked most is kept as bytes, until the catalogue's version moves.

One request makes an answer and the others wait for it; a bound on number and bytes keeps memory flat.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from catalog.freshness import Freshness, Shown, heard
from common.preconditions import is_known

MOST_ANSWERS = 10_000
MOST_BYTES = 32 * 1024 * 1024
"""Of all bodies together; a page of 20 products has some 8 kB."""
MAKERS = 4
"""Answers that are made at the same time; more would only wait for each other's processor."""


SHARED = b"public, no-cache"
"""A cache may keep it, and asks before each use whether it is still so (RFC 9111, section 5.2.2.4)."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An answer that is ready to be sent."""

    body: bytes
    etag: bytes

    @classmethod
    def of(cls, body: bytes) -> "Finished":
        """The answer with a strong entity tag made of its body."""
        return cls(body, b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"')

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it, or 304 to whoever has it already."""
        headers = [(b"etag", self.etag), (b"cache-control", SHARED)]
        if self._is_known_to(scope):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def response(self, scope: Scope) -> Response:
        """The same for a route; what somebody with a token is answered is no shared cache's business."""
        headers = {"ETag": self.etag.decode()}
        if not any(name == b"authorization" for name, _ in scope["headers"]):
            headers["Cache-Control"] = SHARED.decode()
        if self._is_known_to(scope):
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type="application/json", headers=headers)

    def _is_known_to(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                return is_known(self.etag.decode(), value.decode("latin-1"))
        return False


class Answers:
    """Finished answers by what was asked, all of one version."""

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._threads = ThreadPoolExecutor(MAKERS, thread_name_prefix="answers")
        self._kept: OrderedDict[str, Finished] = OrderedDict()
        self._making: dict[tuple[Shown, str], asyncio.Task[Finished]] = {}
        self._version: Shown | None = None
        self._bytes = 0

    def close(self) -> None:
        """Make no more."""
        self._threads.shutdown(wait=False)

    async def find(self, asked: str) -> Finished | None:
        """The answer, if there is one of the present version. Raises what the database raises."""
        return self._find(self._freshness.known() or await self._freshness.version(), asked)

    async def get(self, asked: str, make: Callable[[], bytes]) -> Finished:
        """The answer, made in a thread if it must be. Raises what `make` and the database raise."""
        version = await self._freshness.version()
        found = self._find(version, asked)
        if found is not None:
            return found
        task = self._making.get((version, asked))
        if task is None:
            task = self._making[version, asked] = asyncio.create_task(self._make(version, asked, make))
            task.add_done_callback(heard)
        return await asyncio.shield(task)

    def _find(self, version: Shown, asked: str) -> Finished | None:
        if version != self._version:
            self._kept.clear()
            self._version, self._bytes = version, 0
            return None
        found = self._kept.get(asked)
        if found is not None:
            self._kept.move_to_end(asked)
        return found

    async def _make(self, version: Shown, asked: str, make: Callable[[], bytes]) -> Finished:
        try:
            made = Finished.of(await asyncio.get_running_loop().run_in_executor(self._threads, make))
        finally:
            del self._making[version, asked]
        if version == self._version:
            self._keep(asked, made)
        return made

    def _keep(self, asked: str, made: Finished) -> None:
        self._kept[asked] = made
        self._bytes += len(made.body)
        while len(self._kept) > MOST_ANSWERS or self._bytes > MOST_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped.body)
