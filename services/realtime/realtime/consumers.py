"""The event door: orders are counted and their steps told, and where uploads stand is noted."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from common.events import Event
from common.events.catalog import AboutImport
from common.events.orders import OrderCancelled, OrderEvent, OrderPlaced
from common.ids import made_at
from realtime.imports import note_imports
from realtime.news import News
from realtime.noting import note_orders
from realtime.ranking import count_recent
from realtime.usecases import count_sold, take_turn


def hear(session: Session, events: Sequence[Event]) -> News:
    """Take in a batch of events; what the streams say of them.

    Their order does not matter: a cancellation may come before its order.
    """
    note_imports(session, [event for event in events if isinstance(event, AboutImport)])
    orders = [event for event in events if isinstance(event, OrderEvent)]
    return _count(session, orders) if orders else News([], [])


def _count(session: Session, told: Sequence[OrderEvent]) -> News:
    take_turn(session)
    changes: Counter[int] = Counter()
    sales: Counter[tuple[datetime, int]] = Counter()
    for event in told:
        placed_at = made_at(event.order_id) or event.at
        for line in event.lines:
            changes[line.product_id] += _sign(event) * line.quantity
            sales[placed_at, line.product_id] += _sign(event) * line.quantity
    count_recent(session, sales)
    return News(count_sold(session, changes), note_orders(session, told))


def _sign(event: OrderEvent) -> int:
    """Only what was ever said to be placed can be taken back."""
    if isinstance(event, OrderCancelled):
        return -1 if event.was_placed else 0
    return 1 if isinstance(event, OrderPlaced) else 0
