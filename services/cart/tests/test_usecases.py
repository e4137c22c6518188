"""What cart does unasked."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Table, insert, select

from cart.usecases import tidy
from common.clock import now
from common.database import Sessions
from common.idempotency import KEEP, idempotency_keys
from common.ids import new_id
from common.outbox import KEEP_HEARD, inbox


def enter(sessions: Sessions, table: Table, row: dict[str, Any]) -> None:
    with sessions.begin() as session:
        session.execute(insert(table).values(row))


def test_what_is_past_its_keeping_time_is_dropped_and_the_rest_stays(sessions: Sessions) -> None:
    old, fresh = new_id(), new_id()
    for event, age in ((old, KEEP_HEARD + timedelta(hours=1)), (fresh, timedelta(hours=1))):
        enter(sessions, inbox, {"event_id": event, "type": "order.placed", "heard_at": now() - age})
        key = {
            "scope": event.bytes * 2,
            "fingerprint": event.bytes * 2,
            "owner": event,
            "resource_id": event,
            "lease_until": now(),
            "expires_at": now() + KEEP - age,
            "status": 200,
        }
        enter(sessions, idempotency_keys, key)

    tidy(sessions)

    with sessions.begin() as session:
        events = set(session.scalars(select(inbox.c.event_id)))
        keys = set(session.scalars(select(idempotency_keys.c.resource_id)))
    assert (old in events, fresh in events) == (False, True)
    assert (old in keys, fresh in keys) == (False, True)
