"""What orders asks of its sisters, and only the fields that it reads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from common.errors import Unavailable
from common.events.orders import Line
from common.http import Sister


class Shortage(BaseModel):
    """A line that could not be held."""

    product_id: int
    requested: int
    available: int


class HeldLine(Line):
    """A line that is held, as an order can keep it."""

    quantity: int = Field(ge=1)
    sku: str | None = Field(max_length=64)
    name: str = Field(max_length=255)
    price: Decimal = Field(ge=0, max_digits=10, decimal_places=2)


class Hold(BaseModel):
    """Catalog's answer for one order."""

    order_id: UUID
    outcome: Literal["held", "short", "unavailable", "unknown", "released", "mismatch"]
    lines: list[HeldLine] = []
    items: list[Shortage] = []

    @property
    def total(self) -> Decimal:
        """What the held lines cost together."""
        return sum((line.price * line.quantity for line in self.lines), Decimal(0))


class CartLine(BaseModel):
    product_id: int = Field(ge=1)
    quantity: int = Field(ge=1)


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
        if holds.keys() != wanted.keys() or not all(_fits(hold, wanted[hold.order_id]) for hold in holds.values()):
            raise Unavailable("catalog answered for other orders", code="catalog_unavailable")
        return holds


def _fits(hold: Hold, wanted: Sequence[Mapping[str, int]]) -> bool:
    """Whether exactly what was wanted is held, if anything is."""
    held = [{"product_id": line.product_id, "quantity": line.quantity} for line in hold.lines]
    return hold.outcome != "held" or sorted(held, key=_product) == sorted(wanted, key=_product)


def _product(line: Mapping[str, int]) -> int:
    return line["product_id"]


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
