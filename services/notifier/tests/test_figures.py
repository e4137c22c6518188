"""What Prometheus is told of notifier: mails that wait or have failed, and endpoints that were given up."""

from datetime import timedelta
from typing import Any

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from notifier.figures import figures
from notifier.hooks.models import Endpoint, Reason
from notifier.models import State

from .desk import queue
from .hookdesk import keep
from .telling import placed, registered


def told(sessions: Sessions) -> dict[str, dict[str, float]]:
    with sessions.begin() as session:
        return {one.name: dict(one.values) for one in figures(session)}


def change(sessions: Sessions, mail: Any, **values: Any) -> None:
    with sessions.begin() as session:
        kept = session.merge(mail)
        for name, value in values.items():
            setattr(kept, name, value)


def test_without_anything_to_do_all_is_nought(sessions: Sessions) -> None:
    assert told(sessions) == {
        "stoa_notifier_mails": {"queued": 0, "sending": 0, "failed": 0},
        "stoa_notifier_mails_overdue_seconds": {"": 0},
        "stoa_notifier_webhooks_disabled": {"": 0},
    }


def test_mails_are_counted_by_state_and_the_one_that_is_late_is_timed(sessions: Sessions) -> None:
    user = new_id()
    mails = queue(sessions, registered(user), placed(user), placed(user), placed(user), placed(user))
    long_ago = now() - timedelta(hours=9)
    change(sessions, mails[0], state=State.SENT, due_at=long_ago)
    change(sessions, mails[1], state=State.FAILED, due_at=long_ago)
    change(sessions, mails[2], state=State.SENDING, due_at=now() + timedelta(minutes=1))
    change(sessions, mails[3], due_at=now() - timedelta(minutes=20))
    seen = told(sessions)
    assert seen["stoa_notifier_mails"] == {"queued": 2, "sending": 1, "failed": 1}
    assert 1200 <= seen["stoa_notifier_mails_overdue_seconds"][""] < 3600


def test_an_endpoint_counts_once_it_was_given_up(sessions: Sessions) -> None:
    keep(sessions, "http://127.0.0.1:9/one")
    given_up = keep(sessions, "http://127.0.0.1:9/two")
    with sessions.begin() as session:
        session.get_one(Endpoint, given_up.id).disabled_reason = Reason.GONE
    assert told(sessions)["stoa_notifier_webhooks_disabled"] == {"": 1}
