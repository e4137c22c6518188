"""Sweeping: expired holds are given back once orders has said so, and what has had its time is thrown away.

A hold is never released by time alone: the event that turns it into a sale may be late (design: reliability, fact 6).
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from catalog.clients import Orders
from catalog.models import HELD, Reservation
from catalog.settling import Settlement
from catalog.storage import Store
from common import idempotency, outbox
from common.clock import now
from common.database import Sessions, retried
from common.errors import Unavailable

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=30)
"""How long after its expiry a hold is left alone (design: reliability 3.1)."""
ASK_AGAIN = timedelta(minutes=10)
"""Before orders is asked again about a hold that it told us to keep."""
ALERT_AFTER = timedelta(minutes=10)
BATCH = 100
KEEP_FILES = timedelta(days=7)


def sweep_holds(sessions: Sessions, orders: Orders, currency: str) -> None:
    """Ask orders about each expired hold and act on its answer only; without one the hold stays."""
    answers = {order_id: _ask(orders, order_id) for order_id in _expired(sessions)}
    cancelled = [order_id for order_id, outcome in answers.items() if outcome == "cancelled"]
    kept = [order_id for order_id, outcome in answers.items() if outcome not in ("cancelled", None)]
    if cancelled or kept:
        _act(sessions, cancelled, kept, currency)
    if None in answers.values():
        _warn(sessions)


def _ask(orders: Orders, order_id: UUID) -> str | None:
    """What became of the order; None when orders does not answer."""
    try:
        outcome = orders.resolve(order_id)
    except Unavailable:
        return None
    if outcome not in ("cancelled", "placed"):
        log.error("hold_of_unknown_order", order_id=str(order_id), outcome=outcome)
    return outcome


def _expired(sessions: Sessions) -> Sequence[UUID]:
    """Some expired holds, in another order each time.

    After failures in a row only one question gets through at a time: if that were always about the oldest hold, an
    order that orders can never tell of would keep all others from being asked about.
    """
    moment = now()
    hold = Reservation
    with sessions.begin() as session:
        return session.scalars(
            select(hold.order_id)
            .where(hold.state == HELD, hold.expires_at < moment - GRACE)
            .where(or_(hold.asked_at.is_(None), hold.asked_at < moment - ASK_AGAIN))
            .order_by(func.rand())
            .limit(BATCH)
        ).all()


def _warn(sessions: Sessions) -> None:
    """Orders is away: say so, loudly once holds have waited for long."""
    with sessions.begin() as session:
        oldest = session.scalar(
            select(Reservation.expires_at).where(Reservation.state == HELD).order_by(Reservation.expires_at).limit(1)
        )
    if oldest is not None and oldest < now() - ALERT_AFTER:
        log.error("expired_holds_wait_for_orders", oldest=oldest.isoformat())


@retried
def _act(sessions: Sessions, cancelled: Sequence[UUID], kept: Sequence[UUID], currency: str) -> None:
    with sessions.begin() as session:
        settlement = Settlement(session, cancelled)
        for order_id in cancelled:
            settlement.cancel(order_id, {}, was_placed=False)
        settlement.write(currency)
        asked = update(Reservation).where(Reservation.order_id.in_(kept), Reservation.state == HELD)
        session.execute(asked.values(asked_at=now()), execution_options={"synchronize_session": False})


def tidy(sessions: Sessions, store: Store) -> None:
    """Drop sent events, old inbox rows, old keys, and uploaded files that nobody will ask for again."""
    for purge in (_purge_outbox, _purge_inbox, idempotency.purge):
        while _one_chunk(sessions, purge):
            continue
    store.tidy(KEEP_FILES)


@retried
def _one_chunk(sessions: Sessions, purge: Callable[[Session], int]) -> int:
    with sessions.begin() as session:
        return purge(session)


def _purge_outbox(session: Session) -> int:
    return outbox.purge(session, outbox.outbox)


def _purge_inbox(session: Session) -> int:
    return outbox.purge(session, outbox.inbox)
