"""The proxy's room: stands between a service and what it leans on, and spoils what passes.

What can be done to a way has toxiproxy's names: latency, timeout (bytes vanish, the connection stays), limit_data (the
connection is reset after so many bytes), reset_peer, down.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import uvloop

HOST = "127.0.0.1"
CHUNK = 65536
CALL_S = 10.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time: closing sends a reset (socket(7))."""


class Way(StrEnum):
    """Up: from the one who connects to the server. Down: its answers."""

    UP = "upstream"
    DOWN = "downstream"


@dataclass(frozen=True)
class Toxic:
    """What is done to the bytes of one way; `limit_data` counts for each connection from the toxic's beginning."""

    latency_s: float = 0.0
    timeout: bool = False
    limit_data: int | None = None


CLEAN = Toxic()


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    spoilt: bool = False
    """Bytes have vanished: it can only be reset."""
    _counted: dict[Way, tuple[Toxic, int]] = field(default_factory=dict)

    def passes(self, way: Way, toxic: Toxic, size: int) -> int:
        """How many of so many bytes this toxic still lets pass."""
        if toxic.limit_data is None:
            return size
        known, before = self._counted.get(way, (toxic, 0))
        before = before if known is toxic else 0
        self._counted[way] = (toxic, before + size)
        return max(0, min(size, toxic.limit_data - before))

    def close(self) -> None:
        """End it when what is on its way has gone."""
        for end in self.ends:
            end.close()

    def reset(self) -> None:
        """End it at both ends at once."""
        for end in self.ends:
            with suppress(OSError, ValueError):  # it has just been closed
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.transport.abort()


class Proxy:
    """Between a free loopback port and the server's. Its methods may be called from any thread."""

    def __init__(self, target: int, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop
        self._toxics: dict[Way, Toxic] = dict.fromkeys(Way, CLEAN)
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()
        self._visits: set[asyncio.Task[None]] = set()
        self.port = 0

    def up(self) -> None:
        """Listen (again), on the same port."""
        self._call(self._up())

    def down(self) -> None:
        """As a server that is not there: connections are reset, new ones refused."""
        self._call(self._down())

    def spoil(self, way: Way, toxic: Toxic) -> None:
        """Do this to all that passes from now on."""
        self._toxics[way] = toxic

    def clean(self) -> None:
        """Do nothing to it any more. What has lost bytes is reset."""
        self._toxics = dict.fromkeys(Way, CLEAN)
        self._call(self._reset(only_spoilt=True))

    def reset_peer(self) -> None:
        """Reset every connection that there is; new ones are welcome."""
        self._call(self._reset(only_spoilt=False))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S)

    async def _up(self) -> None:
        self._server = await asyncio.start_server(self._welcome, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset(only_spoilt=False)

    async def _reset(self, *, only_spoilt: bool) -> None:
        for link in [link for link in self._links if link.spoilt or not only_spoilt]:
            link.reset()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """No coroutine, so that the visit is known, and can be ended, from its first moment."""
        visit = self._loop.create_task(self._visit(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        link = Link((writer, server_writer))
        self._links.add(link)
        try:
            await asyncio.gather(
                self._carry(link, Way.UP, reader, server_writer), self._carry(link, Way.DOWN, server_reader, writer)
            )
            link.close()
        finally:
            self._links.discard(link)

    async def _carry(self, link: Link, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):  # it has been reset meanwhile
            while data := await reader.read(CHUNK):
                toxic = self._toxics[way]
                if toxic.latency_s:
                    await asyncio.sleep(toxic.latency_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                if toxic.timeout:
                    link.spoilt = True
                    continue
                passing = link.passes(way, toxic, len(data))
                writer.write(data[:passing])
                await writer.drain()
                if passing < len(data):
                    link.reset()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def end(self) -> None:
        """Stop listening and end every visit."""
        await self._down()
        visits = list(self._visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


@contextmanager
def proxied(targets: Mapping[str, int]) -> Iterator[dict[str, Proxy]]:
    """An open proxy before each of these ports, all of them in a thread of their own."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies", daemon=True)
    thread.start()
    proxies = {name: Proxy(port, loop) for name, port in targets.items()}
    try:
        for proxy in proxies.values():
            proxy.up()
        yield proxies
    finally:
        for proxy in proxies.values():
            asyncio.run_coroutine_threadsafe(proxy.end(), loop).result(CALL_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
