"""The news' room: what a batch of events has changed, under the numbers that its stream gives it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from realtime.board import Count


class Step(NamedTuple):
    """An order's step to another status, as the stream of orders says it under a number."""

    seq: int
    order_id: UUID
    user_id: UUID
    number: str
    status: str
    previous: str | None
    at: datetime


class Sale(NamedTuple):
    """Units of a product out of an order, less than nothing when they are taken back, by one version of the order."""

    order_id: UUID
    version: int
    placed_at: datetime
    product_id: int
    units: int


class Standing(NamedTuple):
    """Where an order stands, since when."""

    order_id: UUID
    number: str
    status: str
    at: datetime


class News(NamedTuple):
    """What the streams say of one batch, once it is committed."""

    counts: list[Count]
    steps: list[Step]

    def __bool__(self) -> bool:
        return bool(self.counts or self.steps)
