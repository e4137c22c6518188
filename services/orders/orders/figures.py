"""The figures' room: what Prometheus is told of orders' own tables."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.clock import now
from common.metrics import Figure, figure
from orders.models import Order, Placement

LATE = timedelta(minutes=1)
"""The sweeper looks every five seconds: whatever it leaves for so long it cannot settle."""


def figures(session: Session) -> Iterator[Figure]:
    """Intents that nobody settles."""
    overdue = select(func.count()).where(Order.placement == Placement.PENDING, Order.deadline < now() - LATE)
    count = session.scalar(overdue) or 0
    yield figure("stoa_orders_intents_overdue", "Intents a minute past their deadline that nobody has settled", count)
