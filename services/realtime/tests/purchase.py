"""An order as orders would speak of it, step by step."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from common.clock import now
from common.events.orders import Line, OrderCancelled, OrderPlaced, OrderStatusChanged
from common.ids import new_id


@dataclass
class Purchase:
    """What has become of one order; each event is a version."""

    user_id: UUID
    lines: dict[int, int] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)
    status: str = "pending"
    version: int = 0
    at: datetime = field(default_factory=now)

    @property
    def number(self) -> str:
        """What people call it."""
        return f"T-{str(self.id)[-12:]}"

    def placed(self) -> OrderPlaced:
        """It is there."""
        return OrderPlaced(**self._next("pending"))

    def moved(self, status: str) -> OrderStatusChanged:
        """It goes on, or only its parcel does."""
        return OrderStatusChanged(previous=self.status, **self._next(status), status=status)

    def cancelled(self, **more: Any) -> OrderCancelled:
        """It is called off."""
        return OrderCancelled(previous=self.status, reason="customer", **self._next("cancelled"), **more)

    def _next(self, status: str) -> dict[str, Any]:
        self.status = status
        self.version += 1
        self.at = now()
        return {
            "order_id": self.id,
            "version": self.version,
            "number": self.number,
            "user_id": self.user_id,
            "total": Decimal("1.00"),
            "currency": "EUR",
            "lines": [
                Line(product_id=product, sku=None, name="A thing", quantity=quantity, price=Decimal("1.00"))
                for product, quantity in self.lines.items()
            ],
            "at": self.at,
        }
