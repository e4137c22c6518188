"""From an event to a mail: one per cause, whatever is heard again and whatever fails in between."""

import threading
from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import update

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.waiting import eventually
from notifier.models import RETRY_S, Notification, State
from notifier.queueing import queue_mails, take_due

from .desk import all_mails, queue, send, text_of
from .postoffice import PostOffice
from .telling import cancelled, imported, moved, placed, registered


def test_an_order_heard_three_times_is_confirmed_once(
    client: TestClient, worker: None, broker: Broker, sessions: Sessions, office: PostOffice
) -> None:
    user = new_id()
    broker.tell(registered(user), times=3)
    order = placed(user)
    broker.tell(order, times=3)
    eventually(lambda: [mail.state for mail in all_mails(sessions)] == [State.SENT] * 2)
    confirmation = next(mail for mail in office.mails if order.number in mail["Subject"])
    assert len(office.mails) == 2
    assert confirmation["To"] == "Ada <ada@example.com>"
    assert "2 x Jug <white>: 5.00 EUR" in text_of(confirmation, "plain")
    assert "Jug &lt;white&gt;" in text_of(confirmation, "html")
    assert "Çay bardağı" in text_of(confirmation, "html")
    assert broker.size("notifier.events") == 0


def test_an_order_of_somebody_unknown_waits_until_the_person_is_heard_of(
    client: TestClient, broker: Broker, sessions: Sessions
) -> None:
    user = new_id()
    broker.tell(placed(user))
    eventually(lambda: broker.size("stoa.retry.1s") == 1 or broker.size("stoa.retry.10s") == 1)
    broker.tell(registered(user))
    eventually(lambda: {mail.type for mail in all_mails(sessions)} == {"welcome", "order_confirmation"}, 40)


def test_each_mail_keeps_the_trace_of_its_own_event(sessions: Sessions) -> None:
    user, other = new_id(), new_id()
    with sessions.begin() as session:
        queue_mails(session, [registered(user), placed(user), registered(other)], ["first", "second", None])
    assert [(mail.type, mail.traceparent) for mail in all_mails(sessions)] == [
        ("welcome", "first"),
        ("order_confirmation", "second"),
        ("welcome", None),
    ]


def test_each_move_and_the_cancellation_are_told(sessions: Sessions, office: PostOffice) -> None:
    user, order = new_id(), new_id()
    steps = [moved(user, order, 2, "pending", "processing"), moved(user, order, 3, "processing", "shipped")]
    queue(sessions, registered(user), placed(user, order), *steps, cancelled(user, new_id()))
    queue(sessions, *steps)
    send(sessions, office)
    subjects = [str(mail["Subject"]) for mail in office.mails]
    assert len(subjects) == 5
    assert sum("is shipped" in subject for subject in subjects) == 1
    assert sum("is cancelled" in subject for subject in subjects) == 1


def test_where_a_parcel_is_may_change_without_a_mail(sessions: Sessions) -> None:
    user = new_id()
    mails = queue(sessions, registered(user), moved(user, new_id(), 4, "shipped", "shipped"))
    assert [mail.type for mail in mails] == ["welcome"]


def test_a_placement_that_was_given_up_is_not_worth_a_mail(sessions: Sessions) -> None:
    user = new_id()
    mails = queue(sessions, registered(user), cancelled(user, new_id(), was_placed=False))
    assert [mail.type for mail in mails] == ["welcome"]


def test_a_mail_waits_while_the_mail_server_is_down_and_goes_once(sessions: Sessions, office: PostOffice) -> None:
    queue(sessions, registered(new_id()))
    office.open = False
    send(sessions, office)
    (mail,) = all_mails(sessions)
    assert (mail.state, mail.attempts) == (State.QUEUED, 1)
    assert mail.error
    assert take_due(sessions, urgent=False) == [], "it is not due before its delay is over"
    office.open = True
    send(sessions, office)
    send(sessions, office)
    assert [mail.state for mail in all_mails(sessions)] == [State.SENT]
    assert len(office.mails) == 1


def test_a_mail_that_can_never_go_has_failed_in_the_end(sessions: Sessions, office: PostOffice) -> None:
    queue(sessions, registered(new_id()))
    office.open = False
    for _ in range(len(RETRY_S)):
        send(sessions, office)
    assert all_mails(sessions)[0].state == State.QUEUED
    send(sessions, office)
    assert all_mails(sessions)[0].state == State.FAILED


def test_a_refused_address_fails_at_once_and_a_busy_one_is_tried_again(sessions: Sessions, office: PostOffice) -> None:
    office.recipient_reply = b"451 come back later"
    queue(sessions, registered(new_id()))
    send(sessions, office)
    assert all_mails(sessions)[0].state == State.QUEUED
    office.recipient_reply = b"550 nobody here"
    send(sessions, office)
    (mail,) = all_mails(sessions)
    assert (mail.state, mail.error) == (State.FAILED, "550 nobody here")


def test_a_mail_that_the_server_refuses_for_good_fails_at_once(sessions: Sessions, office: PostOffice) -> None:
    office.data_reply = b"554 not that"
    queue(sessions, registered(new_id()))
    send(sessions, office)
    (mail,) = all_mails(sessions)
    assert mail.state == State.FAILED
    assert "not that" in mail.error


def test_a_server_that_is_away_is_asked_once_for_a_handful_of_mails(sessions: Sessions, office: PostOffice) -> None:
    queue(sessions, *(registered(new_id(), name) for name in ("Ada", "Bob", "Eve")))
    office.open = False
    send(sessions, office)
    assert office.visits == 1
    assert [(mail.state, mail.attempts) for mail in all_mails(sessions)] == [(State.QUEUED, 1)] * 3
    office.open = True
    send(sessions, office)
    assert office.visits == 2, "one connection carries them all"
    assert len(office.mails) == 3


def test_a_finished_upload_is_told_to_who_started_it(sessions: Sessions, office: PostOffice) -> None:
    user = new_id()
    event = imported(user)
    queue(sessions, registered(user), event)
    queue(sessions, event)
    send(sessions, office)
    (told,) = (mail for mail in office.mails if "upload" in mail["Subject"])
    assert "9 rows 5 were created" in text_of(told, "plain")


def test_an_upload_that_was_tried_again_is_told_of_once_more(sessions: Sessions, office: PostOffice) -> None:
    user = new_id()
    end = imported(user)
    first = end.model_copy(update={"status": "cancelled", "version": 7})
    second = end.model_copy(update={"version": 8})
    queue(sessions, registered(user), first, second)
    queue(sessions, first)
    send(sessions, office)
    told = [mail for mail in office.mails if "upload" in mail["Subject"]]
    assert "was cancelled: of" in text_of(told[0], "plain")
    assert [mail["Subject"] for mail in told] == ["Your upload was cancelled", "Your upload has finished"]


def test_a_name_over_two_lines_is_no_second_header(sessions: Sessions, office: PostOffice) -> None:
    event = registered(new_id()).model_copy(update={"first_name": "Ada\r\nBcc: eve@example.com"})
    queue(sessions, event)
    send(sessions, office)
    (mail,) = office.mails
    assert mail["Bcc"] is None
    assert "Ada Bcc: eve@example.com" in mail["To"]


def test_one_bad_mail_does_not_hold_up_the_others(sessions: Sessions, office: PostOffice) -> None:
    mails = queue(sessions, *(registered(new_id(), name) for name in ("Ada", "Bob", "Eve")))
    with sessions.begin() as session:
        session.execute(update(Notification).where(Notification.id == mails[0].id).values(type="no_such_template"))
    send(sessions, office)
    assert [mail.state for mail in all_mails(sessions)] == [State.QUEUED, State.SENT, State.SENT]


def test_a_mail_whose_worker_died_is_sent_again_under_the_same_message_id(
    sessions: Sessions, office: PostOffice
) -> None:
    queue(sessions, registered(new_id()))
    send(sessions, office)
    with sessions.begin() as session:  # as if the worker had died between the server's 250 and its commit
        session.execute(update(Notification).values(state=State.SENDING, due_at=now() + timedelta(minutes=1)))
    send(sessions, office)
    assert len(office.mails) == 1, "the lease is respected"
    with sessions.begin() as session:
        session.execute(update(Notification).values(due_at=now() - timedelta(seconds=1)))
    assert [len(take_due(sessions, urgent=False)) for _ in range(3)] == [1, 0, 0], "it is handed over again, once"
    send(sessions, office)
    assert len({mail["Message-ID"] for mail in office.mails}) == 1
    assert len(office.mails) == 2


def test_two_workers_never_send_the_same_mail(sessions: Sessions, office: PostOffice) -> None:
    queue(sessions, *(registered(new_id(), f"User{n}") for n in range(30)))
    threads = [threading.Thread(target=send, args=(sessions, office)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(office.mails) == 30
    assert {mail.state for mail in all_mails(sessions)} == {State.SENT}


def test_what_could_not_be_handed_to_the_workers_is_handed_over_later(sessions: Sessions) -> None:
    """Without the application running, which would hand the mail over itself as soon as it is due."""
    from notifier.dispatch import Dispatch

    handed: list[Any] = []

    def away(_: Any) -> None:
        raise ConnectionError("the broker is away")

    user = new_id()
    queue(sessions, registered(user))
    assert Dispatch(sessions, away)._hand_over(urgent=False) == 0
    with sessions.begin() as session:
        session.execute(update(Notification).values(due_at=now()))
    assert Dispatch(sessions, handed.extend)._hand_over(urgent=False) == 1
    assert Dispatch(sessions, handed.extend)._hand_over(urgent=False) == 0, "it is in the workers' hands now"
    assert len(handed) == 1
