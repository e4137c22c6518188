"""Moving orders: each step once, told to whoever hears it."""

from uuid import UUID

from sqlalchemy.orm import Session

from common.database import Sessions, retried
from common.errors import Forbidden, NotFound
from common.events.orders import OrderCancelled, OrderStatusChanged
from common.idempotency import Answer, Claim, claim_one, finish
from common.outbox import say
from common.tokens import User
from orders.models import Order, OrderMove, Placement, Status
from orders.schemas import Cancellation, Change, OrderView

OWNERS_REASONS = ("customer", "other")


@retried
def move_order(sessions: Sessions, admin: User, order_id: UUID, change: Change, if_match: str | None) -> OrderView:
    """Take an order a step further, or to where it stands already. Raises NotFound, Conflict, PreconditionFailed."""
    with sessions.begin() as session:
        order = locked(session, admin, order_id)
        order.check_version(if_match)
        previous = order.status
        if change.tracking is not None:
            order.tracking = change.tracking
        if order.move_to(change.status):
            _note(session, order, previous, admin, change.reason, "")
            _tell(session, order, previous, change.reason, restock=True)
        return OrderView.of(order)


@retried
def cancel_order(
    sessions: Sessions, user: User, until: Status, order_id: UUID, wish: Cancellation, claim: Claim | None = None
) -> Answer:
    """Cancel once; a repeat gets the cancelled order again. Raises NotFound, Forbidden, Conflict."""
    with sessions.begin() as session:
        outcome = claim_one(session, claim) if claim is not None else None
        if isinstance(outcome, Answer):
            return outcome
        order = locked(session, user, order_id)
        if not user.is_admin and (wish.reason not in OWNERS_REASONS or not wish.restock):
            raise Forbidden("a customer may give the reasons customer and other, and restocks", code="not_allowed")
        previous = order.status
        if order.cancel(by_owner=not user.is_admin, owner_until=until):
            _note(session, order, previous, user, wish.reason, wish.note)
            _tell(session, order, previous, wish.reason, restock=wish.restock)
        answer = Answer(200, OrderView.of(order).model_dump(mode="json"), {"ETag": order.etag})
        if outcome is not None:
            finish(session, outcome, answer)
        return answer


def locked(session: Session, user: User, order_id: UUID) -> Order:
    """The order, held against other moves. Raises NotFound for one that is missing or somebody else's."""
    order = session.get(Order, order_id, with_for_update=True)
    if order is None or order.placement != Placement.PLACED or not (user.is_admin or order.user_id == user.id):
        raise NotFound("there is no such order")
    return order


def _note(session: Session, order: Order, previous: str, user: User, reason: str, note: str) -> None:
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
    if order.status == Status.CANCELLED:
        say(session, OrderCancelled(**data, reason=reason, restock=restock))
    else:
        say(session, OrderStatusChanged(**data, status=order.status))
