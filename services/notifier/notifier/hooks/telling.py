"""The tellers' room: which events integrators may hear of, and how one becomes a delivery for each that wants it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions, retried
from common.events import Envelope
from common.events.catalog import ImportFinished, ProductLowStock
from common.events.orders import OrderCancelled, OrderPlaced, OrderStatusChanged
from common.ids import new_id
from notifier.hooks.models import Delivery, DeliveryState, Endpoint, covers

TOLD = tuple(kind.type for kind in (OrderPlaced, OrderStatusChanged, OrderCancelled, ProductLowStock, ImportFinished))
"""All that may leave the house. Nothing of `user.*`: those events hold addresses, and announce codes and links."""
TEST = "webhook.test"
SOURCE = "/services/notifier"
QUEUE = insert(Delivery).prefix_with("IGNORE")
"""An event that an endpoint has a delivery of already makes none."""


def stray(patterns: Sequence[str]) -> list[str]:
    """Those patterns that name nothing that is told."""
    return [pattern for pattern in patterns if not any(covers(pattern, kind) for kind in TOLD)]


def queue_deliveries(session: Session, envelopes: Sequence[Envelope]) -> bool:
    """Queue a delivery of each event for each active endpoint that wants it, once whatever is heard again; whether
    there is one."""
    told = [envelope for envelope in envelopes if _is_told(envelope)]
    if not told:
        return False
    endpoints = session.scalars(select(Endpoint).where(Endpoint.active.is_(True))).all()
    rows = [row(each, envelope) for envelope in told for each in endpoints if each.wants(envelope.type)]
    if rows:
        session.execute(QUEUE, rows)
    return bool(rows)


@retried
def queue_deliveries_apart(sessions: Sessions, envelopes: Sequence[Envelope]) -> None:
    """The same in a transaction of its own, when the one that heard the events cannot end yet and will be tried again.

    The unique key of deliveries then keeps what the inbox does not: that there is one of each.
    """
    with sessions.begin() as session:
        queue_deliveries(session, envelopes)


def _is_told(envelope: Envelope) -> bool:
    """Of a placement that was given up nobody has heard, so nobody hears of its cancellation."""
    return envelope.type in TOLD and envelope.data.get("was_placed") is not False


def row(endpoint: Endpoint, envelope: Envelope) -> dict[str, Any]:
    """A delivery that is due now. Its body is written here and never again: each try signs the same bytes."""
    moment = now()
    return {
        "id": new_id(),
        "endpoint_id": endpoint.id,
        "event_id": envelope.id,
        "event_type": envelope.type,
        "body": envelope.encode(),
        "state": DeliveryState.QUEUED,
        "attempts": 0,
        "tried_before": 0,
        "status_code": None,
        "duration_ms": None,
        "answer": "",
        "error": "",
        "created_at": moment,
        "due_at": moment,
        "delivered_at": None,
    }


def a_test(endpoint: Endpoint) -> Envelope:
    """An event about nothing, by which an integrator sees whether all is wired right."""
    return Envelope(
        id=new_id(),
        type=TEST,
        source=SOURCE,
        time=now(),
        subject=str(endpoint.id),
        sequence=1,
        data={"webhook_id": str(endpoint.id), "message": "This is a test."},
    )
