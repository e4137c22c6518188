"""The finding room: which orders a list shows, newest first, found in an index whatever is asked.

Ids are found first, in an index that holds all that is needed for it; the orders themselves are read for one page only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from common.errors import Invalid
from orders.models import Order, Placement
from orders.schemas import OrdersQuery

OWN = "ix_orders_user_id_placement_created_at_id_status"
OF_STATUS = "ix_orders_placement_status_created_at_id"
ALL = "ix_orders_placement_created_at_id_status_total"
"""Indexes that lists are read from. Which one is said, not guessed: by a server's statistics of a table that grows one
that must be sorted may look cheaper."""


@dataclass(frozen=True)
class Found:
    """The ids of a page in its order, and the last one's keys if more follow."""

    ids: list[UUID]
    last: list[Any] | None


NOTHING = Found([], None)


def find(session: Session, query: OrdersQuery, owner: UUID | None) -> Found:
    """The page that the query asks for, of one owner's orders or of all. Raises Invalid for a cursor of no list."""
    keys = query.after() if query.by_cursor else None
    wanted = _within(select(Order.id, Order.created_at), query, owner)
    if keys is not None:
        wanted = wanted.where(*_beyond(keys))
    skipped = 0 if query.by_cursor else query.offset
    newest_first = wanted.order_by(Order.created_at.desc(), Order.id.desc()).offset(skipped)
    rows = session.execute(newest_first.limit(query.size + 1)).all()
    page = rows[: query.size]
    last = [page[-1].created_at.isoformat(), str(page[-1].id)] if len(rows) > len(page) else None
    return Found([row.id for row in page], last)


def count(session: Session, query: OrdersQuery, owner: UUID | None) -> int:
    """How many orders the list has, counted in the same index."""
    counted: int | None = session.scalar(_within(select(func.count()).select_from(Order), query, owner))
    return counted or 0


def _within(statement: Select[*tuple[Any, ...]], query: OrdersQuery, owner: UUID | None) -> Select[*tuple[Any, ...]]:
    """The statement, kept to the filters that were asked for."""
    asked: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
        (owner, lambda user: Order.user_id == user),
        (query.status, lambda status: Order.status == status),
        (query.number, lambda number: Order.number == number),
        (query.created_from, lambda moment: Order.created_at >= moment),
        (query.created_to, lambda moment: Order.created_at <= moment),
    ]
    filters = [condition(value) for value, condition in asked if value is not None]
    statement = statement.where(Order.placement == Placement.PLACED, *filters)
    if query.number is not None:
        return statement  # at most one order has it
    index = OWN if owner is not None else OF_STATUS if query.status is not None else ALL
    return statement.with_hint(Order, f"FORCE INDEX ({index})")


def _beyond(keys: list[Any]) -> list[ColumnElement[bool]]:
    """The orders that come after the one with these keys. Raises Invalid."""
    try:
        created, order_id = keys
        moment, last = datetime.fromisoformat(created).astimezone(UTC), UUID(order_id)
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        sentence = "this cursor is not one of ours; begin again with an empty one"
        raise Invalid(sentence, code="invalid_cursor") from error
    return [Order.created_at <= moment, or_(Order.created_at < moment, Order.id < last)]
