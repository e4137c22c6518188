"""The checking room: orders held against their keys and deadlines; what others have of them those others compare."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from sqlalchemy import func, select

from common.checking import MOST_SUSPECTS, Check, Seen
from common.clock import now
from common.database import Sessions
from common.idempotency import KEEP
from orders.models import Order, Placement

OVERDUE = timedelta(seconds=60)
"""An intent that is past its deadline for so long was not swept: the sweeper looks every five seconds."""


def own_checks(sessions: Sessions) -> Iterator[Check]:
    """What can be held against each other here."""
    yield Check("one order for each Idempotency-Key", "orders", partial(see_keys, sessions))
    yield Check("no placement left unfinished", "orders", partial(see_intents, sessions))


def see_keys(sessions: Sessions) -> Seen:
    """Whether a key has led to two orders; only of the last day, as an older key may be used anew."""
    recent = (Order.placement == Placement.PLACED, Order.created_at > now() - KEEP)
    doubled = select(func.min(Order.number), func.max(Order.number), func.count()).where(*recent)
    with sessions.begin() as session:
        count = session.scalar(select(func.count()).select_from(Order).where(*recent))
        rows = session.execute(doubled.group_by(Order.scope).having(func.count() > 1).limit(MOST_SUSPECTS + 1)).all()
    wrong = [f"{number} orders with one key: {first}, {last}" for first, last, number in rows]
    return Seen(f"{count} orders of a day", wrong[:MOST_SUSPECTS], more=len(wrong) > MOST_SUSPECTS)


def see_intents(sessions: Sessions) -> Seen:
    """Whether a placement that nobody finished is still open although its time is over."""
    open_ones = Order.placement == Placement.PENDING
    late = select(Order.id, Order.deadline).where(open_ones, Order.deadline < now() - OVERDUE)
    with sessions.begin() as session:
        count = session.scalar(select(func.count()).select_from(Order).where(open_ones))
        rows = session.execute(late.order_by(Order.deadline).limit(MOST_SUSPECTS + 1)).all()
    wrong = [f"order {row.id} had to be settled by {row.deadline:%F %T}" for row in rows]
    return Seen(f"{count} under way", wrong[:MOST_SUSPECTS], more=len(wrong) > MOST_SUSPECTS)
