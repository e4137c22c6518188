"""The checking room: catalog's books held against each other, and its reservations against the orders.

Orders and reservations are read side by side in the order of their ids, a page at a time, so neither is ever in memory
as a whole. That each order's lines are sold once here, and that each product's count is the sum of those lines, is
together that catalog has sold what was ordered.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalog.clients import Order, Orders
from catalog.models import COMMITTED, HELD, products
from catalog.models import reservation_lines as lines
from catalog.models import reservations as holds
from catalog.reconciling import reconcile
from catalog.stock_schemas import Difference
from catalog.sweeping import GRACE
from common.checking import MOST_SUSPECTS, Check, Seen
from common.clock import now
from common.database import Sessions
from common.side_by_side import Span, compare_pages

CANCELLED = "cancelled"
OVERDUE = GRACE + timedelta(seconds=60)
"""A hold that is past its time for so long was not swept: the sweeper looks every few seconds."""


@dataclass
class Hold:
    """A reservation with its lines; pieces by product."""

    state: str
    expires_at: datetime
    quantities: dict[int, int] = field(default_factory=dict)


def own_checks(sessions: Sessions, orders: Orders, patience_s: float) -> Iterator[Check]:
    """What can be held against each other here, and against orders."""
    yield Check("stock, holds, sales = ledger", "catalog", partial(see_books, sessions))
    yield Check("sold = sum of sold lines", "catalog", partial(see_sold, sessions))
    lines_agree = partial(see_reservations, sessions, orders, patience_s)
    yield Check("each order's lines are sold once", "orders – catalog", lines_agree)


def see_books(sessions: Sessions) -> Seen:
    """Whether the counters are what the ledger and the holds come to."""
    found = reconcile(sessions)
    return Seen(f"{found.checked} products", [say_difference(each) for each in found.differences], more=found.more)


def say_difference(it: Difference) -> str:
    """A difference in words."""
    whose = "all products" if it.product_id is None else f"product {it.product_id} ({it.sku or 'no SKU'})"
    return f"{whose}: {it.what} is {it.found}, expected {it.expected}"


def see_sold(sessions: Sessions) -> Seen:
    """Whether each product's count is what its lines of committed reservations come to; one statement, one moment."""
    committed = select(lines.c.product_id, func.sum(lines.c.quantity).label("pieces")).join(
        holds, holds.c.order_id == lines.c.order_id
    )
    sums = committed.where(holds.c.state == COMMITTED).group_by(lines.c.product_id).subquery()
    expected = func.coalesce(sums.c.pieces, 0)
    wanted = select(products.c.id, products.c.sold, expected.label("expected"))
    differing = wanted.outerjoin(sums, sums.c.product_id == products.c.id).where(products.c.sold != expected)
    with sessions.begin() as session:
        pieces = session.scalar(select(func.coalesce(func.sum(products.c.sold), 0)))
        rows = session.execute(differing.order_by(products.c.id).limit(MOST_SUSPECTS + 1)).all()
    wrong = [f"product {row.id}: sold is {row.sold}, its lines are {row.expected}" for row in rows]
    return Seen(f"{pieces} pieces", wrong[:MOST_SUSPECTS], more=len(wrong) > MOST_SUSPECTS)


def see_reservations(sessions: Sessions, orders: Orders, patience_s: float) -> Seen:
    """Whether each placed order has sold its lines here, each cancelled one nothing, and nobody else anything."""
    return compare_pages("orders", orders.page, partial(_differing, sessions), patience_s)


def _differing(sessions: Sessions, page: Collection[Order], span: Span) -> dict[UUID, str]:
    """What is wrong between the orders of a span of ids and what is held or sold for them."""
    with sessions.begin() as session:
        held = _held(session, span)
    known = {order.id: order for order in page}
    faults = {order_id: _fault(known.get(order_id), held.get(order_id)) for order_id in known.keys() | held.keys()}
    return {order_id: f"order {order_id}: {fault}" for order_id, fault in sorted(faults.items()) if fault}


def _held(session: Session, span: Span) -> dict[UUID, Hold]:
    """The reservations of a span that hold or have sold something."""
    after, up_to = span
    within = holds.c.state.in_((HELD, COMMITTED)), holds.c.order_id > after, holds.c.order_id <= up_to
    wanted = select(holds.c.order_id, holds.c.state, holds.c.expires_at, lines.c.product_id, lines.c.quantity)
    rows = session.execute(wanted.outerjoin(lines, lines.c.order_id == holds.c.order_id).where(*within))
    found: dict[UUID, Hold] = {}
    for row in rows:
        hold = found.setdefault(row.order_id, Hold(row.state, row.expires_at))
        if row.product_id is not None:
            hold.quantities[row.product_id] = row.quantity
    return found


def _fault(order: Order | None, hold: Hold | None) -> str | None:
    """What does not fit: an order that is not there yet may hold something, for a while."""
    if order is None or order.status == CANCELLED:
        return _leftover(order, hold)
    if hold is None:
        return f"{order.number} is {order.status}, and nothing is sold for it"
    if hold.state == HELD:
        return f"{order.number} is {order.status}, and its goods are only held"
    if hold.quantities != order.quantities:
        return f"{order.number} has pieces {_shown(order.quantities)}, sold are {_shown(hold.quantities)}"
    return None


def _leftover(order: Order | None, hold: Hold | None) -> str | None:
    if hold is None:
        return None
    if order is not None:
        return f"{order.number} is cancelled, and {_shown(hold.quantities)} are {hold.state} for it"
    if hold.state == COMMITTED:
        return f"{_shown(hold.quantities)} are sold for it, and orders knows no such order"
    return f"held since before {hold.expires_at:%F %T} for no order" if hold.expires_at < now() - OVERDUE else None


def _shown(quantities: Mapping[int, int]) -> str:
    return ", ".join(f"{pieces} × product {product}" for product, pieces in sorted(quantities.items())) or "nothing"
