"""What is looked for each minute, at each event and at each press is found by an index."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions
from common.events import Envelope
from common.ids import new_id
from common.testing.explaining import plans, rows_read
from common.tidying import drop_all
from notifier.comparing import _settle, known_administrators
from notifier.hooks.dispatch import DELIVERIES, KEEP, SHARE, _removed, _waiting
from notifier.hooks.keeping import _resume
from notifier.hooks.models import Delivery, DeliveryState, Endpoint
from notifier.hooks.queries import list_deliveries
from notifier.hooks.schemas import DeliveriesQuery
from notifier.hooks.telling import row as delivery_of
from notifier.hooks.visiting import _next, _recall
from notifier.models import Notification, Recipient, State, SwitchedOff
from notifier.preferring import unwanted
from notifier.recipients import administrators
from notifier.resending import _waiting as _waiting_copy

from .hookdesk import keep
from .telling import placed

MANY = 2000
"""Enough for a look at all of them to cost more than the way over an index."""


@pytest.fixture
def crowded(sessions: Sessions, engine: Engine) -> Sessions:
    """Many users and mails, and a server that knows how many."""
    users = [new_id() for _ in range(MANY)]
    told = {"email": "ada@example.com", "name": "Ada", "version": 1, "is_admin": False}
    fate = {"state": State.SENT, "attempts": 1, "error": "", "created_at": now(), "due_at": now()}
    said = {"type": "order_status", "email": "ada@example.com", "subject": "Your order", "data": {"name": "Ada"}}
    with sessions.begin() as session:
        session.execute(insert(Recipient), [told | {"user_id": user} for user in users])
        session.execute(insert(SwitchedOff), [{"user_id": user, "type": "low_stock"} for user in users])
        mails = [said | fate | {"id": new_id(), "cause": f"made/{user}", "user_id": user} for user in users]
        session.execute(insert(Notification), mails)
    with engine.connect() as connection:
        connection.execute(text("ANALYZE TABLE recipients, notifications, switched_off")).all()
    return sessions


@pytest.fixture
def told(sessions: Sessions, engine: Engine) -> Sessions:
    """A webhook that has been told a lot, and one that has been told little."""
    busy, quiet = (keep(sessions, "https://example.com/") for _ in range(2))
    event = Envelope.of(placed(new_id()))
    with sessions.begin() as session:
        whose = session.get_one(Endpoint, busy.id)
        rows = [
            delivery_of(whose, event) | {"event_id": new_id(), "state": DeliveryState.DELIVERED} for _ in range(MANY)
        ]
        rows += [delivery_of(whose, event) | {"event_id": new_id(), "due_at": now() + KEEP} for _ in range(5)]
        rows += [delivery_of(session.get_one(Endpoint, quiet.id), event)]
        session.execute(insert(Delivery), rows)
    with engine.connect() as connection:
        connection.execute(text("ANALYZE TABLE webhook_endpoints, webhook_deliveries")).all()
    return sessions


def in_one(work: Callable[[Session], object]) -> Callable[[Sessions], object]:
    """The work in a transaction of its own."""

    def run(sessions: Sessions) -> object:
        with sessions.begin() as session:
            return work(session)

    return run


@pytest.mark.parametrize(
    "work",
    [
        known_administrators,
        lambda sessions: _settle(sessions, [new_id()]),
        in_one(administrators),
        in_one(lambda session: unwanted(session, [(new_id(), "low_stock")])),
        in_one(lambda session: _waiting_copy(session, new_id())),
    ],
    ids=["known administrators", "others settled", "administrators", "unwanted", "waiting copy"],
)
def test_nobody_looks_at_all_of_them(crowded: Sessions, engine: Engine, work: Callable[[Sessions], object]) -> None:
    found = plans(engine, lambda: work(crowded))
    assert found
    for row in found:
        assert row["key"], row
        assert row["type"] not in ("ALL", "index"), row
        assert int(row["rows"]) < MANY / 10, row


def busiest(session: Session) -> Endpoint:
    """The one that has been told a lot."""
    return session.scalars(select(Endpoint).order_by(Endpoint.slot)).first()  # type: ignore[return-value]


@pytest.mark.parametrize(
    "work",
    [
        in_one(lambda session: _recall(session, busiest(session).id)),
        in_one(lambda session: _next(session, busiest(session))),
        in_one(lambda session: _resume(session, busiest(session))),
        _removed,
        lambda sessions: drop_all(sessions, DELIVERIES, DELIVERIES.c.created_at < now() - KEEP),
    ],
    ids=["recalled", "next", "resumed", "removed", "purged"],
)
def test_no_delivery_is_looked_for_among_those_that_were_delivered(
    told: Sessions, engine: Engine, work: Callable[[Sessions], object]
) -> None:
    found = [row for row in plans(engine, lambda: work(told)) if row["table"] == "webhook_deliveries"]
    assert found
    for row in found:
        assert row["key"], row
        assert row["type"] not in ("ALL", "index"), row
        assert int(row["rows"]) < MANY / 10, row


def test_whether_something_is_due_is_seen_without_reading_what_was_delivered(told: Sessions) -> None:
    with told.begin() as session:
        due, read = rows_read(session, lambda: _waiting(session, SHARE))
    assert len(due) == 1
    assert read < MANY / 10


@pytest.mark.parametrize("sent", [{"cursor": ""}, {"page_size": 5}])
def test_a_page_of_the_log_is_read_from_an_index_in_its_order(
    told: Sessions, engine: Engine, sent: dict[str, Any]
) -> None:
    with told.begin() as session:
        endpoint_id = busiest(session).id
    query = DeliveriesQuery(**sent)
    found = plans(engine, lambda: list_deliveries(told, endpoint_id, query, "/"))
    for row in (row for row in found if row["table"] == "webhook_deliveries"):
        assert row["key"], row
        assert "filesort" not in str(row["Extra"]), row
