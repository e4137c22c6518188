"""Moving orders: each step once, told to whoever hears it.

An order is read without a lock; the one UPDATE that takes the step names the status and version that were read. Of
moves that come at once it lets exactly one through; the others read again what has become of the order.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from common.database import LostRace, Sessions, affected, retried
from common.errors import Forbidden
from common.events.orders import OrderCancelled, OrderStatusChanged
from common.idempotency import Answer, Claim, claim_one, finish
from common.outbox import say
from common.preconditions import check_match
from common.tokens import User
from orders.models import Order, OrderMove, Status
from orders.queries import order_of
from orders.schemas import Cancellation, Change, OrderView

OWNERS_REASONS = ("customer", "other")
MOVES_WITH_A_STEP = ("status", "tracking", "version", "updated_at")


@retried
def move_order(sessions: Sessions, admin: User, order_id: UUID, change: Change, if_match: str | None) -> Answer:
    """Take an order a step further, or to where it stands already. Raises NotFound, Conflict, PreconditionFailed."""
    with sessions.begin() as session:
        order = _read(session, admin, order_id)
        check_match(order.etag, if_match, "order")
        previous = order.status
        if order.move_to(change.status, change.tracking):
            _step(session, order, previous)
            _note(session, order, previous, admin, change.reason, "")
            _tell(session, order, previous, change.reason, restock=True)
        return _shown(order)


@retried
def cancel_order(
    sessions: Sessions,
    user: User,
    until: Status,
    order_id: UUID,
    wish: Cancellation,
    if_match: str | None = None,
    claim: Claim | None = None,
) -> Answer:
    """Cancel once; a repeat gets the cancelled order again.

    Raises NotFound, Forbidden, Conflict, PreconditionFailed.
    """
    with sessions.begin() as session:
        outcome = claim_one(session, claim) if claim is not None else None
        if isinstance(outcome, Answer):
            return outcome
        order = _read(session, user, order_id)
        reason = _reason(user, wish)
        check_match(order.etag, if_match, "order")
        previous = order.status
        if order.cancel(by_owner=not user.is_admin, owner_until=until):
            _step(session, order, previous)
            _note(session, order, previous, user, reason, wish.note)
            _tell(session, order, previous, reason, restock=wish.restock)
        answer = _shown(order)
        if outcome is not None:
            finish(session, outcome, answer)
        return answer


def _read(session: Session, user: User, order_id: UUID) -> Order:
    """The order as it stands, no longer the session's: what is changed in it is written by `_step` alone."""
    order = order_of(session, user, order_id)
    session.expunge(order)
    return order


def _reason(user: User, wish: Cancellation) -> str:
    """Why it is cancelled. Raises Forbidden for what is not an owner's to say."""
    if user.is_admin:
        return wish.reason or "staff"
    reason = wish.reason or "customer"
    if reason not in OWNERS_REASONS or not wish.restock:
        raise Forbidden("a customer may give the reasons customer and other, and restocks", code="not_allowed")
    return reason


def _step(session: Session, order: Order, previous: str) -> None:
    """Write the step. Raises LostRace when the order no longer stands where it was read, one version before."""
    here = update(Order).where(Order.id == order.id, Order.status == previous, Order.version == order.version - 1)
    told: dict[str, Any] = {name: getattr(order, name) for name in MOVES_WITH_A_STEP}
    if affected(session.execute(here.values(told).execution_options(synchronize_session=False))) != 1:
        raise LostRace("the order has been moved at the same moment")


def _note(session: Session, order: Order, previous: str, user: User, reason: str, note: str) -> None:
    if order.status == previous:  # only the tracking has changed
        return
    session.add(
        OrderMove(
            order_id=order.id,
            previous=previous,
            status=order.status,
            reason=reason,
            note=note,
            actor_id=user.id,
            actor_role=user.role,
            at=order.updated_at,
        )
    )


def _tell(session: Session, order: Order, previous: str, reason: str, *, restock: bool) -> None:
    data = order.event_data() | {"previous": previous}
    if order.status == Status.CANCELLED != previous:
        say(session, OrderCancelled(**data, reason=reason, restock=restock))
    else:
        say(session, OrderStatusChanged(**data, status=order.status))


def _shown(order: Order) -> Answer:
    return Answer(200, OrderView.of(order).model_dump(mode="json"), {"ETag": order.etag})
