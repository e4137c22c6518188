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
from orders.models import Order, OrderLine, OrderMove, Placement
from orders.schemas import BriefLine, BriefQuery, MoveView, OrderBrief, OrderBriefs, OrdersQuery, OrderView
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


def list_briefs(sessions: Sessions, query: BriefQuery) -> OrderBriefs:
    """The next placed orders after an id, each as it was at one moment with its version; lines never change."""
    columns = (Order.id, Order.number, Order.user_id, Order.status, Order.version, Order.updated_at)
    wanted = select(*columns).where(Order.placement == Placement.PLACED).order_by(Order.id).limit(query.limit)
    if query.after is not None:
        wanted = wanted.where(Order.id > query.after)
    with sessions.begin() as session:
        found = session.execute(wanted.with_hint(Order, "FORCE INDEX (PRIMARY)")).all()
        lines = _brief_lines(session, [row.id for row in found])
    return OrderBriefs(orders=[OrderBrief(**row._mapping, lines=lines[row.id]) for row in found])


def _brief_lines(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[BriefLine]]:
    lines: dict[UUID, list[BriefLine]] = {order: [] for order in ids}
    columns = (OrderLine.order_id, OrderLine.product_id, OrderLine.quantity)
    for order, product, quantity in session.execute(select(*columns).where(OrderLine.order_id.in_(ids))):
        lines[order].append(BriefLine(product_id=product, quantity=quantity))
    return lines
