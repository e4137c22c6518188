"""The proxy bench: a door between a client and a server that a test can shut, jam or slam."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

CHUNK = 65536
CALL_S = 10.0


class Proxy:
    """Hands bytes on between a free loopback port and the server. Its methods may be called from any thread."""

    def __init__(self, host: str, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._target = (host, port)
        self._loop = loop
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._visits: set[asyncio.Task[None]] = set()
        self.port = 0
        self.held = 0
        """Bytes that came in while the door was jammed and have not gone on."""

    def open(self) -> None:
        """Listen (again), on the same port."""
        self._call(self._open())

    def shut(self) -> None:
        """As a server that is down: whoever is connected is reset, whoever comes is refused."""
        self._call(self._shut())

    def cut(self) -> None:
        """Reset whoever is connected now; new connections are welcome."""
        self._call(self._cut())

    def jam(self) -> None:
        """As a network that swallows everything: connections stay, no byte gets through."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def release(self) -> None:
        """Let the bytes flow again, those held back first."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def through(self, url: str) -> str:
        """The same URL, by way of this door."""
        parts = urlsplit(url)
        place = f"{parts.hostname}:{parts.port}"
        return url.replace(place, f"127.0.0.1:{self.port}", 1)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self.held = 0

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """No coroutine: who comes while the test ends is known, and so cut off, before that could be cancelled."""
        self._writers.add(writer)
        visit = self._loop.create_task(self._introduce(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _introduce(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(server_writer)
        await asyncio.gather(self._hand_on(reader, server_writer), self._hand_on(server_reader, writer))
        self._writers -= {writer, server_writer}

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                self.held += len(data)
                await self._flowing.wait()
                self.held = max(0, self.held - len(data))
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """An open door before the server that the URL names."""
    parts = urlsplit(url)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
    thread.start()
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 0, loop)
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.shut()
        asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result(CALL_S)
        proxy.cut()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
