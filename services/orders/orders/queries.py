"""What orders can be asked."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from common.database import Sessions
from common.errors import Forbidden, Invalid, NotFound
from common.ids import parse_id
from common.pagination import Page, keyed, numbered
from common.tokens import User
from orders.models import Order, OrderMove, Placement
from orders.schemas import MoveView, OrdersQuery, OrderView


def read_order(sessions: Sessions, user: User, order_id: UUID) -> Order:
    """The order with its lines. Raises NotFound for one that is missing or somebody else's."""
    with sessions.begin() as session:
        order = session.get(Order, order_id)
    if order is None or order.placement != Placement.PLACED or not (user.is_admin or order.user_id == user.id):
        raise NotFound("there is no such order")
    return order


def list_orders(sessions: Sessions, user: User, query: OrdersQuery, url: str) -> Page[OrderView]:
    """A page of the user's own orders, or of all for an admin; newest first."""
    wanted = _filtered(select(Order), user, query).order_by(Order.id.desc())
    with sessions.begin() as session:
        if query.by_cursor:
            keys = query.after()
            rows = session.scalars(_after(wanted, keys).limit(query.size + 1)).all()
            shown = [OrderView.of(order) for order in rows[: query.size]]
            last = [str(shown[-1].id)] if len(rows) > query.size else None
            return keyed(url, query, shown, last)
        count = session.scalar(_filtered(select(func.count()).select_from(Order), user, query)) or 0
        rows = session.scalars(wanted.offset(query.offset).limit(query.page_size)).all()
        return numbered(url, query, count, [OrderView.of(order) for order in rows])


def _filtered(statement: Select[Any], user: User, query: OrdersQuery) -> Select[Any]:
    if query.user is not None and not user.is_admin:
        raise Forbidden("only administrators may ask for another user's orders")
    statement = statement.where(Order.placement == Placement.PLACED)
    owner = query.user if user.is_admin else user.id
    if owner is not None:
        statement = statement.where(Order.user_id == owner)
    if query.status is not None:
        statement = statement.where(Order.status == query.status)
    if query.number is not None:
        statement = statement.where(Order.number == query.number)
    if query.created_from is not None:
        statement = statement.where(Order.created_at >= query.created_from)
    if query.created_to is not None:
        statement = statement.where(Order.created_at <= query.created_to)
    return statement


def _after(statement: Select[Any], keys: list[Any] | None) -> Select[Any]:
    if keys is None:
        return statement
    last = parse_id(str(keys[0])) if len(keys) == 1 else None
    if last is None:
        raise Invalid("this cursor is not one of ours; begin again with an empty one", code="invalid_cursor")
    return statement.where(Order.id < last)


def read_timeline(sessions: Sessions, user: User, order_id: UUID) -> list[MoveView]:
    """Each move of an order; who made it only for admins. Raises NotFound."""
    read_order(sessions, user, order_id)
    with sessions.begin() as session:
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
