"""What orders can be asked."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.database import Sessions
from common.errors import Forbidden, NotFound
from common.pagination import Page, keyed, numbered
from common.tokens import User
from orders import finding
from orders.counting import Counts
from orders.models import Order, OrderMove, Placement
from orders.schemas import MoveView, OrdersQuery, OrderView
from orders.summing import check_range


def read_order(sessions: Sessions, user: User, order_id: UUID) -> Order:
    """The order with its lines. Raises NotFound for one that is missing or somebody else's."""
    with sessions.begin() as session:
        return order_of(session, user, order_id)


def order_of(session: Session, user: User, order_id: UUID) -> Order:
    """The same within the caller's transaction."""
    order = session.get(Order, order_id)
    if order is None or order.placement != Placement.PLACED or not (user.is_admin or order.user_id == user.id):
        raise NotFound("there is no such order")
    return order


def list_orders(sessions: Sessions, counts: Counts, user: User, query: OrdersQuery, url: str) -> Page[OrderView]:
    """A page of the user's own orders, or of all for an admin; newest first.

    Raises Forbidden for another user's, Invalid for a bad cursor or range, NotFound past the end.
    """
    owner = _owner(user, query)
    check_range(query.created_from, query.created_to)
    with sessions.begin() as session:
        if query.by_cursor:
            found = finding.find(session, query, owner)
            return keyed(url, query, _views(session, found.ids, query), found.last)
        count = counts.count(session, query, owner)
        found = finding.find(session, query, owner) if query.offset < count else finding.NOTHING
        return numbered(url, query, count, _views(session, found.ids, query))


def _owner(user: User, query: OrdersQuery) -> UUID | None:
    """Whose orders are listed; None for everybody's."""
    if user.is_admin:
        return query.user
    if query.user is not None:
        raise Forbidden("only administrators may ask for another user's orders")
    return user.id


def _views(session: Session, ids: Sequence[UUID], query: OrdersQuery) -> list[OrderView]:
    """The orders that were found, in this order, but for one that has just changed its status."""
    if not ids:
        return []
    rows = {order.id: order for order in session.scalars(select(Order).where(Order.id.in_(ids)))}
    return [OrderView.of(rows[i]) for i in ids if query.status in (None, rows[i].status)]


def read_timeline(sessions: Sessions, user: User, order_id: UUID) -> list[MoveView]:
    """Each move of an order; who made it only for admins. Raises NotFound."""
    with sessions.begin() as session:
        order_of(session, user, order_id)
        moves = session.scalars(select(OrderMove).where(OrderMove.order_id == order_id).order_by(OrderMove.id)).all()
    return [
        MoveView(
            previous=move.previous,
            status=move.status,
            reason=move.reason,
            note=move.note,
            by=move.actor_role,
            user=move.actor_id if user.is_admin else None,
            at=move.at,
        )
        for move in moves
    ]
