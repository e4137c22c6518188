"""Orders as realtime hears them, put into its queue without being placed: what is measured is how they are told."""

import asyncio
import itertools
import time
from collections.abc import Iterable
from decimal import Decimal

from aio_pika import Message
from aio_pika.abc import AbstractChannel

from common.broker import connect, queue_name
from common.clock import now
from common.events import Envelope
from common.events.base import CONTENT_TYPE
from common.events.orders import Line, OrderPlaced
from common.ids import new_id

AT_ONCE = 100


class Seller:
    """Sells one piece of a product that nobody has sold before, again and again."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._products = itertools.count(1)

    def sell(self, number: int, per_second: float | None = None) -> dict[int, int]:
        """Say so many orders, at this rate or at once: the moment of each by its product, in monotonic nanoseconds."""
        return asyncio.run(self.selling(number, per_second))

    async def selling(self, number: int, per_second: float | None = None) -> dict[int, int]:
        """The same within a loop."""
        products = list(itertools.islice(self._products, number))
        async with await connect(self._broker_url, "bench") as connection:
            channel = await connection.channel()
            if per_second is None:
                return await _at_once(channel, products)
            return await _paced(channel, products, per_second)


async def _at_once(channel: AbstractChannel, products: list[int]) -> dict[int, int]:
    said: dict[int, int] = {}
    for first in range(0, len(products), AT_ONCE):
        some = products[first : first + AT_ONCE]
        said |= dict.fromkeys(some, time.monotonic_ns())
        await asyncio.gather(*(_say(channel, product) for product in some))
    return said


async def _paced(channel: AbstractChannel, products: Iterable[int], per_second: float) -> dict[int, int]:
    said: dict[int, int] = {}
    begun = time.monotonic()
    for number, product in enumerate(products):
        await asyncio.sleep(begun + number / per_second - time.monotonic())
        said[product] = time.monotonic_ns()
        await _say(channel, product)
    return said


async def _say(channel: AbstractChannel, product: int) -> None:
    envelope = Envelope.of(_order_of(product))
    message = Message(envelope.encode(), content_type=CONTENT_TYPE, message_id=str(envelope.id))
    await channel.default_exchange.publish(message, queue_name("realtime"))


def _order_of(product: int) -> OrderPlaced:
    line = Line(product_id=product, sku=None, name="A lantern", quantity=1, price=Decimal("12.50"))
    return OrderPlaced(
        order_id=new_id(),
        version=1,
        number="S-1",
        user_id=new_id(),
        total=line.price,
        currency="EUR",
        lines=[line],
        at=now(),
    )
