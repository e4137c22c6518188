"""The event door: what was ordered counts up, what was cancelled counts down."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from common.events import Event
from common.events.orders import OrderCancelled, OrderPlaced
from common.ids import made_at
from realtime.board import Count
from realtime.ranking import count_recent
from realtime.usecases import count_sold


def hear(session: Session, events: Sequence[Event]) -> list[Count]:
    """Count a batch of events; what the stream says of them.

    Their order does not matter: a cancellation may come before its order.
    """
    changes: Counter[int] = Counter()
    sales: Counter[tuple[datetime, int]] = Counter()
    for event in events:
        sign = _sign(event)
        if isinstance(event, OrderPlaced | OrderCancelled):
            placed_at = made_at(event.order_id) or event.at
            for line in event.lines:
                changes[line.product_id] += sign * line.quantity
                sales[placed_at, line.product_id] += sign * line.quantity
    count_recent(session, sales)
    return count_sold(session, changes)


def _sign(event: Event) -> int:
    """Only what was ever said to be placed can be taken back."""
    if isinstance(event, OrderCancelled):
        return -1 if event.was_placed else 0
    return 1
