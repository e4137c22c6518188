"""The recovery's room: how long it takes until an order is placed and pushed again, and all is served."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from replaying.accounts import Account
from replaying.stop import Stop
from wrecking.ledger import Ledger, Placing
from wrecking.stack import Site
from wrecking.wire import NoAnswer

PUSHED_WITHIN_S = 10.0
LIMIT_S = 240.0
REST_S = 0.2


class NotRecovered(Exception):
    """It is still broken; the text is a sentence."""


@dataclass
class Probe:
    """Somebody who orders one piece of a product that nobody else buys, and listens for its new sold count."""

    site: Site
    account: Account
    product: int
    ledger: Ledger
    sold: int = 0
    """Pieces in orders that were answered 201."""
    _asked: int = 0

    async def seconds_since(self, moment: float) -> float:
        """From that moment until an order was placed and pushed, and every part is served. Raises NotRecovered."""
        while not (await self._is_pushed() and await asyncio.to_thread(self.site.is_served)):
            if monotonic() - moment > LIMIT_S:
                raise NotRecovered(f"Orders are not placed and pushed again within {LIMIT_S:.0f} s.")
            await asyncio.sleep(REST_S)
        return monotonic() - moment

    async def _is_pushed(self) -> bool:
        try:
            async with asyncio.timeout(PUSHED_WITHIN_S):
                return await self._place_and_hear()
        except (TimeoutError, OSError, WebSocketException, NoAnswer, Stop):
            return False

    async def _place_and_hear(self) -> bool:
        url = self.site.url.replace("http", "ws", 1) + "/ws/products/"
        async with connect(url, compression=None, proxy=None) as socket:
            await socket.send(json.dumps({"action": "subscribe", "product_ids": [self.product]}))
            if not await self._place():
                return False
            async for text in socket:
                message = json.loads(text)
                pushed = message.get("type") == "product_update" and message["product_id"] == self.product
                if pushed and message["sold_count"] >= self.sold:
                    return True
        return False

    async def _place(self) -> bool:
        self._asked += 1
        placing = self.ledger.open(Placing(self.account, f"probe-{self._asked}", {self.product: 1}))
        with suppress(Stop, NoAnswer):
            await placing.send()
        self.sold += bool(placing.order_ids)
        return bool(placing.order_ids)
