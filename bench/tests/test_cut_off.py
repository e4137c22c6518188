"""The client that is cut off: it is sold to only once it has been greeted, so that nothing it misses is the bench's."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from measuring import cutting

pytestmark = pytest.mark.unit


class Shop:
    """Greets late, and tells of a sale whoever has been greeted; says again what came after a number."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.greeted: set[ServerConnection] = set()

    async def serve(self, socket: ServerConnection) -> None:
        for _ in range(20):  # turns of the loop in which somebody could sell too early
            await asyncio.sleep(0)
        await socket.send(json.dumps({"type": "hello", "stream": "s", "seq": len(self.told)}))
        self.greeted.add(socket)
        async for text in socket:
            for update in self.told[json.loads(text)["last_seq"] :]:
                await socket.send(json.dumps(update))
        self.greeted.discard(socket)

    async def selling(self, number: int, per_second: float | None = None) -> dict[int, int]:
        for product in range(1, number + 1):
            update = {"type": "product_update", "product_id": product, "stream": "s", "seq": product}
            self.told.append(update)
            for socket in list(self.greeted):
                await socket.send(json.dumps(update))
        return dict.fromkeys(range(1, number + 1), 0)


def test_a_client_is_sold_to_once_it_is_greeted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, figure in {"CUT_S": 0, "BESIDE_S": 1, "PATIENCE_S": 5}.items():
        monkeypatch.setattr(cutting, name, figure)

    async def story() -> str:
        shop = Shop()
        async with serve(shop.serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return await cutting.cut_off(url, shop, 2)

    assert "missed none" in asyncio.run(story())
