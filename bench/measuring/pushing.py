"""How long after an order's 201 its product's new sold count is on the wire."""

import asyncio
import json
import time
from collections.abc import Sequence

import httpx
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 20
REST_S = 0.1
"""Between two orders: what is measured is the way of one, not of many."""


async def latencies_ms(url: str, token: str, product_ids: Sequence[int]) -> list[float]:
    """Order each product once and wait for its push; 0 for one that overtakes the answer."""
    heard: dict[int, asyncio.Future[float]] = {}
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False) as http,
        connect(url.replace("http", "ws", 1) + "/ws/products/", compression=None, proxy=None) as socket,
    ):
        await socket.send('{"type": "hello"}')
        listening = asyncio.create_task(_listen(socket, heard))
        try:
            return [await _one(http, heard, product_id) for product_id in product_ids]
        finally:
            listening.cancel()


async def _one(http: httpx.AsyncClient, heard: dict[int, "asyncio.Future[float]"], product_id: int) -> float:
    pushed = heard[product_id] = asyncio.get_running_loop().create_future()
    answer = await http.post("/api/orders/", json={"items": [{"product_id": product_id, "quantity": 1}]})
    answered = time.perf_counter()
    answer.raise_for_status()
    heard_at: float = await asyncio.wait_for(pushed, PATIENCE_S)
    await asyncio.sleep(REST_S)
    return max(0.0, (heard_at - answered) * 1000)


async def _listen(socket: ClientConnection, heard: dict[int, "asyncio.Future[float]"]) -> None:
    async for text in socket:
        moment = time.perf_counter()
        message = json.loads(text)
        waiting = heard.get(message.get("product_id", 0))
        if message["type"] == "product_update" and waiting is not None and not waiting.done():
            waiting.set_result(moment)
