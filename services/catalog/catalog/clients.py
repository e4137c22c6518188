"""What catalog asks of sister services."""

from uuid import UUID

from common.errors import Unavailable
from common.http import Sister


class Orders:
    """The orders service, which alone knows what became of an order."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def resolve(self, order_id: UUID) -> str:
        """The order's final outcome: `placed`, `cancelled` or `unknown`. Raises Unavailable."""
        status, body = self._sister.post(f"/internal/orders/{order_id}/resolve/", {})
        if status != 200 or not isinstance(body, dict):
            raise Unavailable(f"orders answered {status} about order {order_id}", code="orders_unavailable")
        return str(body.get("outcome", "unknown"))
