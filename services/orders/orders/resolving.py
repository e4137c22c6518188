"""Resolving: an intent that nobody finished is given up, so that its hold can go back and its buyer gets an answer."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import idempotency, outbox
from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict
from common.events.orders import OrderCancelled
from common.idempotency import Answer, finish_scope
from common.outbox import say
from orders.models import Order, Placement

SWEEP_CHUNK = 100
FINAL = {Placement.PENDING: "pending", Placement.PLACED: "placed"}


def expired() -> Conflict:
    """The refusal of a placement that was given up before it could be finished."""
    return Conflict("this order was not finished in time and has been given up; order again", code="order_expired")


def give_up(session: Session, order: Order, reason: str) -> None:
    """Tell catalog that this intent will never be an order."""
    data = order.event_data() | {"lines": []}
    say(session, OrderCancelled(**data, previous=order.status, reason=reason, was_placed=False))


@retried
def resolve(sessions: Sessions, order_id: UUID) -> str:
    """The final word on an intent: placed, cancelled, pending while its deadline lies ahead, unknown."""
    with sessions.begin() as session:
        order = session.get(Order, order_id, with_for_update=True)
        if order is None:
            return "unknown"
        if order.placement == Placement.PENDING and order.deadline < now():
            _expire(session, order)
        return FINAL.get(Placement(order.placement), "cancelled")


def _expire(session: Session, order: Order) -> None:
    order.placement = Placement.CANCELLED
    order.updated_at = now()
    problem = expired()
    finish_scope(session, order.scope, order.id, Answer(problem.status, problem.body()))
    give_up(session, order, "expired")


def sweep(sessions: Sessions) -> None:
    """Resolve every intent whose deadline has passed."""
    with sessions.begin() as session:
        overdue = select(Order.id).where(Order.placement == Placement.PENDING, Order.deadline < now())
        ids = session.scalars(overdue.order_by(Order.deadline).limit(SWEEP_CHUNK)).all()
    for order_id in ids:
        resolve(sessions, order_id)


def tidy(sessions: Sessions) -> None:
    """Drop a chunk of what is past its keeping time."""
    with sessions.begin() as session:
        idempotency.purge(session)
        outbox.purge(session, outbox.outbox)
