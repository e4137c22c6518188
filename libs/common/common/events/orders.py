"""What orders says."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel

from common.events.base import Event


class Line(BaseModel):
    """One ordered product, priced as it was when the order was placed."""

    product_id: int
    sku: str | None
    name: str
    quantity: int
    price: Decimal


class OrderEvent(Event):
    """An order as it is after the change."""

    source: ClassVar[str] = "/services/orders"
    about: ClassVar[str] = "order_id"

    order_id: UUID
    version: int
    number: str
    user_id: UUID
    total: Decimal
    currency: str
    lines: list[Line]
    at: datetime


class OrderPlaced(OrderEvent):
    """An order has come to be: all of it, at these prices, with its stock held."""

    type: ClassVar[str] = "order.placed"


class OrderStatusChanged(OrderEvent):
    """The order has moved on; a cancellation is said as `order.cancelled` instead."""

    type: ClassVar[str] = "order.status_changed"

    previous: str
    status: str


class OrderCancelled(OrderEvent):
    """The order is cancelled.

    `was_placed` tells whether `order.placed` was ever said for it: an unfinished placement that was given up is
    cancelled as well, so that its hold goes back. `restock` false takes the sold count down and leaves the stock.
    """

    type: ClassVar[str] = "order.cancelled"

    previous: str
    reason: str
    restock: bool = True
    was_placed: bool = True
