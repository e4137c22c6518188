"""A client that is cut off for a while under load: whether it hears of everything once it is back."""

import asyncio
import json
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect

from measuring.results import NoLoad

CUT_S = 30
BESIDE_S = 5
"""Before and after the cut."""
PATIENCE_S = 60


class Sells(Protocol):
    """Somebody who sells pieces of products that nobody has sold before."""

    async def selling(self, number: int, per_second: float | None = None) -> dict[int, int]: ...


async def cut_off(url: str, seller: Sells, per_second: int) -> str:
    """A client that comes back after half a minute of selling, with the number that it had, has heard everything.

    Raises NoLoad when it has not.
    """
    number = (CUT_S + 2 * BESIDE_S) * per_second
    heard: dict[int, int] = {}
    async with _listening(url) as socket:
        await greeted(socket)
        selling = asyncio.create_task(seller.selling(number, per_second))
        last = await _hear(socket, heard, BESIDE_S * per_second)
        socket.transport.abort()
    await asyncio.sleep(CUT_S)
    async with _listening(url) as socket:
        await socket.send(json.dumps({"action": "resume", "stream": last["stream"], "last_seq": last["seq"]}))
        await _hear(socket, heard, number)
    sold = await selling
    numbers = sorted(heard.values())
    if heard.keys() != sold.keys() or numbers != list(range(numbers[0], numbers[0] + number)):
        raise NoLoad(f"Of {number} updates {len(sold.keys() - heard.keys())} were missed, or their numbers have gaps.")
    return f"A client that was cut off for {CUT_S} s while {number:,} products were sold has missed none."


async def greeted(socket: ClientConnection) -> None:
    """Wait for the hello: only from then on a client is told everything."""
    async with asyncio.timeout(PATIENCE_S):
        while json.loads(await socket.recv())["type"] != "hello":
            pass


def _listening(url: str) -> connect:
    return connect(f"{url.replace('http', 'ws', 1)}/ws/products/", proxy=None, compression=None)


async def _hear(socket: ClientConnection, heard: dict[int, int], number: int) -> dict[str, Any]:
    """Note the number of each product's update until that many are known; the last one that came."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == "sold_counts":
                raise NoLoad("What was missed was no longer known.")
            if message["type"] == "product_update":
                heard[message["product_id"]] = message["seq"]
            if len(heard) >= number:
                return message
