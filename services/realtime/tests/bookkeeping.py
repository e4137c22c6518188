"""Orders in the place of the real service: it answers for its orders as they are, and says what happens to them."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from common.events import Event
from common.testing.broker import Broker
from common.testing.sisters import FakeSister

from .purchase import Purchase


@dataclass
class Books:
    """All orders that were placed. What is to be said of them is said when `say` is called, in whatever order."""

    broker: Broker
    orders: dict[UUID, Purchase] = field(default_factory=dict)
    unsaid: list[Event] = field(default_factory=list)
    before_page: Callable[[UUID | None], None] = lambda _: None
    after_page: Callable[[UUID | None], None] = lambda _: None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def answer_at(self, orders: FakeSister) -> None:
        """Be asked there."""
        orders.answer("GET", "/internal/orders/", self._page)

    def place(self, order: Purchase) -> Purchase:
        """Commit a new order."""
        with self._lock:
            self.unsaid.append(order.placed())
            self.orders[order.id] = order
        return order

    def cancel(self, order: Purchase) -> None:
        """Commit its end."""
        with self._lock:
            self.unsaid.append(order.cancelled())

    def move(self, order: Purchase, status: str) -> None:
        """Commit a step."""
        with self._lock:
            self.unsaid.append(order.moved(status))

    def say(self, share: float = 1.0, chance: random.Random | None = None, times: int = 1) -> None:
        """Publish what was not said yet, or a share of it."""
        with self._lock:
            chosen = [event for event in self.unsaid if chance is None or chance.random() < share]
            self.unsaid = [event for event in self.unsaid if event not in chosen]
        if chance is not None:
            chance.shuffle(chosen)
        for event in chosen:
            self.broker.tell(event, times=times)

    def sold(self, products: Sequence[int]) -> dict[int, int]:
        """Units of these products out of orders that count."""
        units: Counter[int] = Counter()
        with self._lock:
            for order in self.orders.values():
                if order.status != "cancelled":
                    units.update(order.lines)
        return {product: units[product] for product in products}

    def _page(self, path: str, _: Any) -> tuple[int, Any]:
        asked = parse_qs(urlsplit(path).query)
        after, limit = (UUID(asked["after"][0]) if "after" in asked else None), int(asked["limit"][0])
        self.before_page(after)
        with self._lock:
            ids = sorted(order for order in self.orders if after is None or order > after)[:limit]
            page = [_brief(self.orders[order]) for order in ids]
        self.after_page(after)
        return 200, {"orders": page}


def _brief(order: Purchase) -> dict[str, Any]:
    lines = [{"product_id": product, "quantity": quantity} for product, quantity in order.lines.items()]
    same = {"id": str(order.id), "number": order.number, "user_id": str(order.user_id), "status": order.status}
    return {**same, "version": order.version, "updated_at": order.at.isoformat(), "lines": lines}
