"""The checking room: the mails about orders held against the orders, and mails that do not get away.

Orders and mails are read side by side in the order of the orders' ids, a page at a time. An order has one confirmation,
and once it is cancelled one mail about that; copies that an administrator had sent have causes of their own.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from common.checking import MOST_SUSPECTS, Check, Seen
from common.clock import now
from common.database import Sessions
from common.side_by_side import Span, compare_pages
from notifier.clients import Order, Orders
from notifier.models import LEASE, MAILS, WAITING, Notification, State
from notifier.queueing import DISPATCHED_FOR

CANCELLED = "cancelled"
CONFIRMATION, CANCELLATION = "order_confirmation", "order_cancellation"
OVERDUE = timedelta(seconds=60)
"""A mail that is due for so long was not handed to a worker: the dispatcher looks every few seconds."""
UNTRIED = 2 * DISPATCHED_FOR + LEASE
"""One that was handed over twice by then, and that no worker has taken."""


def own_checks(sessions: Sessions, orders: Orders, patience_s: float) -> Iterator[Check]:
    """What can be held against orders, and what is to be seen here."""
    yield Check(
        "one mail for each order and cancellation",
        "orders – notifier",
        partial(see_mails, sessions, orders, patience_s),
    )
    yield Check("no mail stuck or failed", "notifier", partial(see_fates, sessions))


def see_mails(sessions: Sessions, orders: Orders, patience_s: float) -> Seen:
    """Whether each order is confirmed once and each cancellation told once, and no others."""
    return compare_pages("orders", orders.page, partial(_differing, sessions), patience_s)


def see_fates(sessions: Sessions) -> Seen:
    """Whether a mail waits for nobody, or has failed and was not sent again since."""
    moment = now()
    waits = Notification.state.in_(WAITING)
    stuck = and_(
        waits,
        or_(
            Notification.due_at < moment - OVERDUE,
            and_(Notification.attempts == 0, Notification.created_at < moment - UNTRIED),
        ),
    )
    with sessions.begin() as session:
        count = session.scalar(select(func.count()).select_from(Notification).where(waits))
        wrong = [
            f"mail {mail} does not get on"
            for mail in session.scalars(select(Notification.id).where(stuck).limit(MOST_SUSPECTS + 1))
        ]
        wrong += [f"mail {mail} has failed" for mail in _failed(session)]
    return Seen(f"{count} wait", wrong[:MOST_SUSPECTS], more=len(wrong) > MOST_SUSPECTS)


def _failed(session: Session) -> Sequence[UUID]:
    """Mails that nobody has, in none of their copies."""
    copy = aliased(Notification)
    same = or_(
        copy.resent_of == Notification.id, copy.resent_of == Notification.resent_of, copy.id == Notification.resent_of
    )
    got_there = select(copy.id).where(same, copy.state == State.SENT).exists()
    failed = select(Notification.id).where(Notification.state == State.FAILED, ~got_there)
    return session.scalars(failed.order_by(Notification.due_at).limit(MOST_SUSPECTS + 1)).all()


def _differing(sessions: Sessions, page: Collection[Order], span: Span) -> dict[UUID, str]:
    """What is wrong between the orders of a span of ids and the mails about them."""
    with sessions.begin() as session:
        mails = _mails(session, span)
    known = {order.id: order for order in page}
    order_ids = known.keys() | {order_id for order_id, _ in mails}
    faults = {order_id: list(_faults(order_id, known.get(order_id), mails)) for order_id in order_ids}
    return {order_id: f"order {order_id}: {', '.join(found)}" for order_id, found in sorted(faults.items()) if found}


def _mails(session: Session, span: Span) -> Counter[tuple[UUID, str]]:
    """How many mails of each kind there are about each order of a span; causes are ordered as the ids in them are."""
    cause = MAILS.c.cause
    after, up_to = f"order/{span[0]}/~", f"order/{span[1]}/~"
    wanted = select(cause, MAILS.c.type).where(cause > after, cause <= up_to)
    rows = session.execute(wanted.where(MAILS.c.type.in_((CONFIRMATION, CANCELLATION))))
    return Counter((UUID(row.cause.split("/")[1]), row.type) for row in rows)


def _faults(order_id: UUID, order: Order | None, mails: Mapping[tuple[UUID, str], int]) -> Iterator[str]:
    is_cancelled = order is not None and order.status == CANCELLED
    for kind, wanted in ((CONFIRMATION, order is not None), (CANCELLATION, is_cancelled)):
        count = mails[order_id, kind]
        if count != wanted:
            yield f"{count} mails {kind} instead of {int(wanted)}"
