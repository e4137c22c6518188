"""The ledger's room: what the replaying client itself has seen happen, to be held against what the shop says."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Placed:
    """An order that was answered with 201; quantities by product id."""

    id: str
    number: str
    customer: str
    lines: Mapping[int, int]
    cancelled: bool = False


@dataclass
class Ledger:
    """Counts of one run."""

    placed: list[Placed] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Orders and cart lines the shop would not take, by the code of the refusal."""
    odd: list[str] = field(default_factory=list)
    """Answers that no rule of the shop explains."""
    unanswered: int = 0
    latencies: list[float] = field(default_factory=list)
    """Seconds from sending an order to its 201, further attempts included."""
    cancelled: int = 0
    unmatched: int = 0
    """Lines of cancellations for which this run has placed no order."""
    unsold: int = 0
    """Lines of products that the upload did not take."""
    through_cart: set[str] = field(default_factory=set)
    """Customers who have ordered from their cart."""
    placing_s: float = 0.0
    _by_customer: dict[str, list[Placed]] = field(default_factory=lambda: defaultdict(list))

    def note(self, order: Placed) -> None:
        """Enter an order that was placed."""
        self.placed.append(order)
        self._by_customer[order.customer].append(order)

    def to_cancel(self, customer: str, product_id: int) -> Placed | None:
        """The customer's latest order with this product that is not cancelled."""
        for order in reversed(self._by_customer[customer]):
            if product_id in order.lines and not order.cancelled:
                return order
        return None

    @property
    def orders_per_s(self) -> float:
        """Placed orders per second of the placing phase."""
        return len(self.placed) / self.placing_s if self.placing_s else 0.0

    def latency_ms(self, percentile: int) -> float:
        """The latency in ms that so many percent of the placements did not exceed (nearest rank)."""
        ranked = sorted(self.latencies)
        return ranked[max(-(-len(ranked) * percentile // 100) - 1, 0)] * 1000 if ranked else 0.0
