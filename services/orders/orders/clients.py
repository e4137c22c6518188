"""What orders asks of its sisters, and only the fields that it reads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from common.errors import Unavailable
from common.events.orders import Line
from common.http import Sister


class Shortage(BaseModel):
    """A line that could not be held."""

    product_id: int
    requested: int
    available: int


class Hold(BaseModel):
    """Catalog's answer for one order."""

    order_id: UUID
    outcome: str
    lines: list[Line] = []
    items: list[Shortage] = []

    @property
    def total(self) -> Decimal:
        """What the held lines cost together."""
        return sum((line.price * line.quantity for line in self.lines), Decimal(0))


class CartLine(BaseModel):
    product_id: int
    quantity: int


HOLDS = TypeAdapter(list[Hold])
CART_LINES = TypeAdapter(list[CartLine])


class Catalog:
    """Holds stock for orders. Raises Unavailable when that could not be found out."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def hold(self, wanted: Mapping[UUID, Sequence[Mapping[str, int]]], expires_at: datetime) -> dict[UUID, Hold]:
        """Hold each order's lines, all or none of an order; safe to repeat."""
        reservations = [
            {"order_id": str(order_id), "expires_at": expires_at.isoformat(), "lines": list(lines)}
            for order_id, lines in wanted.items()
        ]
        status, body = self._sister.post("/internal/reservations/", {"reservations": reservations})
        try:
            holds = {hold.order_id: hold for hold in HOLDS.validate_python(body["results"])}
        except (ValidationError, KeyError, TypeError) as error:
            raise Unavailable(f"catalog answered {status} with something else", code="catalog_unavailable") from error
        if holds.keys() != wanted.keys():
            raise Unavailable("catalog answered for other orders", code="catalog_unavailable")
        return holds


class Cart:
    """Knows what a user has laid into the cart. Raises Unavailable."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def lines(self, user: UUID) -> list[dict[str, int]]:
        """The user's lines; an empty list for an empty cart."""
        status, body = self._sister.get(f"/internal/carts/{user}/")
        try:
            return [line.model_dump() for line in CART_LINES.validate_python(body["items"])]
        except (ValidationError, KeyError, TypeError) as error:
            raise Unavailable(f"cart answered {status} with something else", code="cart_unavailable") from error
