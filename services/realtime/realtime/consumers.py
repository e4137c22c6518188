"""The event door: orders are counted and their steps told, and where uploads stand is noted."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from common.events import Event
from common.events.catalog import AboutImport
from common.events.orders import OrderCancelled, OrderEvent, OrderPlaced
from common.ids import made_at
from realtime.imports import note_imports
from realtime.news import News, Sale
from realtime.noting import note_orders
from realtime.ranking import count_recent
from realtime.rebuilding import sift, summed
from realtime.usecases import count_sold, take_turn


def hear(session: Session, events: Sequence[Event]) -> News:
    """Take in a batch of events; what the streams say of them.

    Their order does not matter: a cancellation may come before its order.
    """
    note_imports(session, [event for event in events if isinstance(event, AboutImport)])
    orders = [event for event in events if isinstance(event, OrderEvent)]
    return _count(session, orders) if orders else News([], [])


def _count(session: Session, told: Sequence[OrderEvent]) -> News:
    turn = take_turn(session)
    changes, by_time = summed(sift(session, turn, [sale for event in told for sale in _sales(event)]))
    count_recent(session, by_time)
    return News(count_sold(session, changes), note_orders(session, told))


def _sales(event: OrderEvent) -> list[Sale]:
    placed_at, sign = made_at(event.order_id) or event.at, _sign(event)
    lines = event.lines if sign else []
    return [Sale(event.order_id, event.version, placed_at, it.product_id, sign * it.quantity) for it in lines]


def _sign(event: OrderEvent) -> int:
    """Only what was ever said to be placed can be taken back."""
    if isinstance(event, OrderCancelled):
        return -1 if event.was_placed else 0
    return 1 if isinstance(event, OrderPlaced) else 0
