"""A handful of mails, one after the other: each is closed before the next is sent, and taken by one worker only."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from common.clock import now
from common.database import Sessions, new_engine, new_sessions
from common.ids import new_id
from common.testing.waiting import eventually
from notifier.models import Notification, State

from .desk import all_mails, queue, send
from .postoffice import PostOffice
from .telling import registered

NAMES = ("Ada", "Bob", "Eve")


def states(sessions: Sessions) -> list[State]:
    return [State(mail.state) for mail in all_mails(sessions)]


def change(sessions: Sessions, mail: Notification, **values: Any) -> None:
    """As another worker would."""
    with sessions.begin() as session:
        session.execute(update(Notification).where(Notification.id == mail.id).values(values))


def test_each_mail_is_closed_before_the_next_one_is_sent(sessions: Sessions, office: PostOffice) -> None:
    queue(sessions, *(registered(new_id(), name) for name in NAMES))
    seen: list[list[State]] = []
    office.meanwhile = lambda: seen.append(states(sessions))
    send(sessions, office)
    sent, sending, queued = State.SENT, State.SENDING, State.QUEUED
    assert seen == [[sending, queued, queued], [sent, sending, queued], [sent, sent, sending]]
    assert states(sessions) == [sent] * 3


@pytest.mark.parametrize(
    "fate",
    [
        {"state": State.SENT},
        {"state": State.QUEUED},
        {"state": State.SENDING, "due_at": now() - timedelta(seconds=1)},
    ],
)
def test_a_mail_that_another_worker_has_tried_since_is_left_to_it(
    sessions: Sessions, office: PostOffice, fate: dict[str, Any]
) -> None:
    _, second = queue(sessions, *(registered(new_id(), name) for name in NAMES[:2]))
    office.meanwhile = lambda: change(sessions, second, attempts=1, **fate)
    send(sessions, office)
    assert [mail["To"] for mail in office.mails] == ["Ada <ada@example.com>"]
    assert [(mail.state, mail.attempts) for mail in all_mails(sessions)] == [(State.SENT, 1), (fate["state"], 1)]


@pytest.mark.parametrize("state", [State.SENT, State.SENDING, State.FAILED])
def test_a_worker_that_was_too_slow_and_failed_spoils_nothing(
    sessions: Sessions, office: PostOffice, state: State
) -> None:
    (mail,) = queue(sessions, registered(new_id()))
    office.data_reply = b"451 come back later"
    office.meanwhile = lambda: change(sessions, mail, attempts=2, state=state)
    send(sessions, office)
    assert [(mail.state, mail.attempts, mail.error) for mail in all_mails(sessions)] == [(state, 2, "")]


def test_what_a_slow_worker_has_sent_is_sent(sessions: Sessions, office: PostOffice) -> None:
    (mail,) = queue(sessions, registered(new_id()))
    office.meanwhile = lambda: change(sessions, mail, attempts=2, state=State.QUEUED)
    send(sessions, office)
    send(sessions, office)
    assert (states(sessions), len(office.mails)) == ([State.SENT], 1)


def test_a_mail_is_closed_also_while_somebody_holds_the_next(
    sessions: Sessions, engine: Engine, database_url: str, office: PostOffice
) -> None:
    first, second = queue(sessions, *(registered(new_id(), name) for name in NAMES[:2]))
    impatient = new_engine(database_url)
    worker = threading.Thread(target=send, args=(new_sessions(impatient), office))
    with sessions.begin() as session:
        session.scalars(select(Notification.id).where(Notification.id == second.id).with_for_update()).one()
        worker.start()
        eventually(lambda: states(sessions) == [State.SENT, State.QUEUED])
    worker.join()
    assert states(sessions) == [State.SENT] * 2
    impatient.dispose()
