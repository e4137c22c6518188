"""The listener's room: what `/ws/products/` pushes, kept as the last sold count of each product."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from replaying.stop import Stop

GREET_WITHIN_S = 20.0


class Listener:
    """One client of the public socket; it comes back after a break and asks for what it has missed."""

    def __init__(self, url: str, trusted: ssl.SSLContext | bool = True) -> None:
        self.sold: dict[int, int] = {}
        self.pushes = 0
        self.breaks = 0
        self.seq = 0
        self._url = url.replace("http", "ws", 1) + "/ws/products/"
        self._ssl = trusted if url.startswith("https") else None
        self._stream = ""
        self._seqs: dict[int, int] = {}
        self._begun = asyncio.Event()

    async def listen(self) -> None:
        """Until cancelled."""
        async for socket in connect(self._url, compression=None, proxy=None, ssl=self._ssl):
            try:
                await socket.send(json.dumps(self._greeting()))
                await self._hear_all(socket)
            except ConnectionClosed:
                pass
            self.breaks += 1

    async def begun(self) -> None:
        """Return when the first snapshot is there. Raises Stop."""
        try:
            await asyncio.wait_for(self._begun.wait(), GREET_WITHIN_S)
        except TimeoutError:
            raise Stop(f"{self._url} has not told the sold counts within {GREET_WITHIN_S:.0f} s.") from None

    async def caught_up(self, seq: int, within_s: float) -> bool:
        """Whether the last push of the stream has come within so many seconds."""
        ends = asyncio.get_running_loop().time() + within_s
        while self.seq < seq and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.1)
        return self.seq >= seq

    async def _hear_all(self, socket: ClientConnection) -> None:
        async for text in socket:
            self.hear(json.loads(text))

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take in one message: a push, or a snapshot."""
        kind = message.get("type")
        if kind == "product_update":
            self.pushes += 1
            self._keep(message, message["product_id"], message["sold_count"])
        elif kind == "sold_counts":
            for entry in message["data"]:
                self._keep(message, entry["id"], entry["sold_count"])
            self._advance(message)
            self._begun.set()

    def _keep(self, message: Mapping[str, Any], product: int, sold: int) -> None:
        """Counts are absolute; an older one does not replace a newer."""
        if message["seq"] >= self._seqs.get(product, 0):
            self.sold[product] = sold
            self._seqs[product] = message["seq"]
        self._advance(message)

    def _advance(self, message: Mapping[str, Any]) -> None:
        self.seq = max(self.seq, message["seq"])
        self._stream = message["stream"]

    def _greeting(self) -> dict[str, Any]:
        if self._begun.is_set():
            return {"action": "resume", "stream": self._stream, "last_seq": self.seq}
        return {"action": "get_sold_counts"}
