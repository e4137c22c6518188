"""What catalog asks of sister services, and only the fields that it reads."""

from collections import Counter
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from common.errors import Unavailable
from common.http import Sister, read_list

ORDERS = "/internal/orders/"
PAGE_TIMEOUT_S = 10.0
"""For a page of all orders, for which nobody waits."""


class Line(BaseModel):
    product_id: int
    quantity: int


class Order(BaseModel):
    """A placed order as it is."""

    id: UUID
    number: str
    status: str
    lines: list[Line]

    @property
    def quantities(self) -> dict[int, int]:
        """Pieces by product."""
        summed = Counter[int]()
        for line in self.lines:
            summed[line.product_id] += line.quantity
        return dict(summed)


LIST = TypeAdapter(list[Order])


class Orders:
    """The orders service, which alone knows what became of an order."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def resolve(self, order_id: UUID) -> str:
        """The order's final outcome: `placed`, `cancelled` or `unknown`. Raises Unavailable."""
        status, body = self._sister.post(f"{ORDERS}{order_id}/resolve/", {})
        if status != 200 or not isinstance(body, dict):
            raise Unavailable(f"orders answered {status} about order {order_id}", code="orders_unavailable")
        return str(body.get("outcome", "unknown"))

    def page(self, after: UUID | None, limit: int) -> list[Order]:
        """The next placed orders in the order of their ids; an empty list at the end. Raises Unavailable."""
        begin = {} if after is None else {"after": str(after)}
        found = read_list(self._sister, ORDERS, "orders", LIST, limit=limit, **begin)
        return sorted(found, key=lambda order: order.id)
