"""The counting room: how many orders a list has, without counting a great many for each request."""

import time
from uuid import UUID

from sqlalchemy.orm import Session

from orders.finding import count
from orders.schemas import OrdersQuery

MOST_COUNTS = 1000
MANY, MANY_S = 50_000, 10.0
"""Counting more than so many takes tenths of a second; such a number may be so many seconds old."""
NOT_COUNTED_BY = {"page", "page_size", "cursor", "limit"}


class Counts:
    """Numbers of orders by filter: few are counted anew each time, many are remembered for a while."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, float]] = {}

    def count(self, session: Session, query: OrdersQuery, owner: UUID | None) -> int:
        """How many orders the list has; while one request counts many anew, others get the number before."""
        filters = f"{owner} {query.model_dump_json(exclude=NOT_COUNTED_BY, exclude_none=True)}"
        number, counted = self._known.get(filters, (0, 0.0))
        begun = time.monotonic()
        if number > MANY and begun - counted <= MANY_S:
            return number
        if number > MANY:
            self._known[filters] = (number, begun)
        number = count(session, query, owner)
        self._remember(filters, number, begun)
        return number

    def _remember(self, filters: str, number: int, begun: float) -> None:
        if number <= MANY:
            self._known.pop(filters, None)
            return
        if len(self._known) >= MOST_COUNTS:
            self._known.clear()
        self._known[filters] = (number, begun)
