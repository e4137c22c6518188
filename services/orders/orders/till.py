"""The till: where buyers queue, so that orders placed at the same time leave together."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID

from common.coalescer import Coalescer, in_threads
from common.database import Sessions
from common.idempotency import Answer
from orders.clients import Cart, Catalog
from orders.placing import Terms, place_orders
from orders.schemas import NewOrder
from orders.settings import OrdersSettings
from orders.wishing import Placing, prepare

PAUSE_S = 0.04
"""Between the batches of a crowd: a quarter more orders in the same time, and each buyer waits the less for it."""


class Till:
    """Takes one buyer's wish and gives the answer; gathers those that come meanwhile into the next batch."""

    def __init__(self, sessions: Sessions, catalog: Catalog, cart: Cart, settings: OrdersSettings) -> None:
        terms = Terms(settings.currency, timedelta(seconds=settings.intent_deadline_s))
        work = partial(place_orders, sessions, catalog, terms)
        self._batches: Coalescer[Placing, Answer] = Coalescer(in_threads(work), most=settings.batch, pause_s=PAUSE_S)
        self._prepare = partial(prepare, sessions, cart)

    async def place(self, user_id: UUID, key: str | None, body: NewOrder) -> Answer:
        """The stored or fresh answer; raises the Problem of a refusal."""
        if body.items is None:
            wish = await asyncio.to_thread(self._prepare, user_id, key, body)
        else:
            wish = self._prepare(user_id, key, body)
        return await self._batches.submit(wish)
