"""What is looked for each minute, at each event and at each press is found by an index."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.testing.explaining import plans
from notifier.comparing import _settle, known_administrators
from notifier.models import Notification, Recipient, State, SwitchedOff
from notifier.preferring import unwanted
from notifier.recipients import administrators
from notifier.resending import _waiting

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
        in_one(lambda session: _waiting(session, new_id())),
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
