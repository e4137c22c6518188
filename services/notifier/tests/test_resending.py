"""A mail that is sent again: a mail of its own in the log, never two at once, and none that holds a secret."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from common.database import Sessions
from common.ids import new_id
from common.testing.signing import SignedUser, Signer
from common.testing.waiting import eventually
from notifier import tasks
from notifier.clients import Challenges
from notifier.models import NOBODY, WAITING, Notification, State

from .authority import CODE, TOKEN, Authority
from .desk import all_mails, only_mail, queue, send, text_of
from .postoffice import PostOffice
from .telling import code_requested, moved, placed, registered, updated


@pytest.fixture(autouse=True)
def handed(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """What the workers would be given; mails go nowhere unless the test sends them."""
    given: list[UUID] = []
    monkeypatch.setattr(tasks, "enqueue", given.extend)
    return given


@pytest.fixture
def admin(signer: Signer) -> SignedUser:
    return signer.admin()


def resend(client: TestClient, admin: SignedUser, mail: object, **headers: str) -> Any:
    return client.post(f"/api/notifications/{mail}/resend/", headers=admin.headers | headers)


def refused(answer: Any, status: int, code: str) -> Any:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()


def about_an_order(sessions: Sessions, user: UUID, state: State = State.SENT) -> Notification:
    """The confirmation of an order, with this fate behind it."""
    queue(sessions, registered(user), placed(user))
    with sessions.begin() as session:
        session.execute(update(Notification).values(state=state, attempts=3, error="550 nobody here"))
        return session.scalars(select(Notification).where(Notification.type == "order_confirmation")).one()


def copies(sessions: Sessions, mail: Notification) -> list[Notification]:
    return [each for each in all_mails(sessions) if each.resent_of == mail.id]


def test_strangers_and_users_resend_nothing(client: TestClient, sessions: Sessions, signer: Signer) -> None:
    ada = signer.user()
    mail = about_an_order(sessions, ada.id)
    path = f"/api/notifications/{mail.id}/resend/"
    assert client.post(path).status_code == 401
    assert client.post(path, headers=ada.headers).status_code == 403
    assert copies(sessions, mail) == []


@pytest.mark.parametrize("mail_id", [UUID(int=7), "none", "preferences", "0"])
def test_a_mail_that_is_not_there_is_not_found(client: TestClient, admin: SignedUser, mail_id: object) -> None:
    assert resend(client, admin, mail_id).status_code == 404


@pytest.mark.parametrize("state", [State.SENT, State.FAILED])
def test_a_mail_is_sent_again_as_one_of_its_own(
    client: TestClient, sessions: Sessions, office: PostOffice, admin: SignedUser, state: State
) -> None:
    user = new_id()
    queue(sessions, registered(user))
    order = placed(user)
    queue(sessions, order)
    send(sessions, office)
    with sessions.begin() as session:
        session.execute(update(Notification).values(state=state))
    (mail,) = (each for each in all_mails(sessions) if each.type == "order_confirmation")
    answer = resend(client, admin, mail.id)
    assert answer.status_code == 202
    shown = answer.json()
    assert (shown["resent_of"], shown["type"], shown["status"]) == (str(mail.id), mail.type, "queued")
    assert (shown["subject"], shown["email"], shown["attempts"], shown["error"]) == (mail.subject, mail.email, 0, "")
    send(sessions, office)
    first, again = (each for each in office.mails if order.number in each["Subject"])
    assert first["Message-ID"] != again["Message-ID"]
    assert shown["id"] in again["Message-ID"]
    for kind in ("plain", "html"):
        assert text_of(first, kind) == text_of(again, kind)
    assert (first["To"], first["Subject"]) == (again["To"], again["Subject"])
    assert [copy.state for copy in copies(sessions, mail)] == [State.SENT]
    log = client.get("/api/notifications/?type=order_confirmation", headers=admin.headers).json()["results"]
    assert [(each["id"], each["status"], each["resent_of"]) for each in log] == [
        (shown["id"], "sent", str(mail.id)),
        (str(mail.id), state, None),
    ]


def test_the_event_that_is_heard_again_makes_no_third_one(
    client: TestClient, sessions: Sessions, admin: SignedUser
) -> None:
    user = new_id()
    order = placed(user)
    queue(sessions, registered(user), order)
    with sessions.begin() as session:
        session.execute(update(Notification).values(state=State.SENT))
    (mail,) = (each for each in all_mails(sessions) if each.type == "order_confirmation")
    assert resend(client, admin, mail.id).status_code == 202
    assert len(queue(sessions, order, order)) == 3


@pytest.mark.parametrize("state", WAITING)
def test_what_waits_to_be_sent_is_not_sent_again(
    client: TestClient, sessions: Sessions, admin: SignedUser, state: State
) -> None:
    mail = about_an_order(sessions, new_id(), state)
    assert refused(resend(client, admin, mail.id), 409, "still_waiting")["notification"] == str(mail.id)
    assert copies(sessions, mail) == []


def test_of_the_same_mail_one_copy_at_a_time_waits(
    client: TestClient, sessions: Sessions, office: PostOffice, admin: SignedUser, signer: Signer
) -> None:
    mail = about_an_order(sessions, new_id())
    copy = resend(client, admin, mail.id).json()["id"]
    for asked_for in (mail.id, copy):
        assert refused(resend(client, signer.admin(), asked_for), 409, "still_waiting")["notification"] == copy
    send(sessions, office)
    second = resend(client, admin, copy)
    assert (second.status_code, second.json()["resent_of"]) == (202, str(mail.id)), "a copy's copy is the first one's"
    refused(resend(client, admin, mail.id), 409, "still_waiting")
    assert len(copies(sessions, mail)) == 2


def test_administrators_who_press_at_once_make_one_copy(client: TestClient, sessions: Sessions, signer: Signer) -> None:
    for _ in range(5):
        mail = about_an_order(sessions, new_id())
        admins = [signer.admin() for _ in range(6)]
        with ThreadPoolExecutor(6) as crowd:
            answers = list(crowd.map(lambda admin: resend(client, admin, mail.id), admins))  # noqa: B023
        assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 5}
        (copy,) = copies(sessions, mail)
        told = {answer.json()["notification"] for answer in answers if answer.status_code == 409}
        assert told == {str(copy.id)}
        with sessions.begin() as session:
            session.execute(update(Notification).values(type="told", state=State.SENT))


def test_one_key_is_one_copy_whatever_becomes_of_it(
    client: TestClient, sessions: Sessions, office: PostOffice, admin: SignedUser
) -> None:
    mail = about_an_order(sessions, new_id())
    key = {"Idempotency-Key": "again, please"}
    with ThreadPoolExecutor(6) as crowd:
        answers = list(crowd.map(lambda _: resend(client, admin, mail.id, **key), range(6)))
    send(sessions, office)
    answers.append(resend(client, admin, mail.id, **key))
    assert [answer.status_code for answer in answers] == [202] * 7
    assert len({answer.text for answer in answers}) == 1
    assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == 6
    assert len(copies(sessions, mail)) == 1
    assert resend(client, admin, mail.id, **{"Idempotency-Key": "once more"}).status_code == 202
    assert len(copies(sessions, mail)) == 2


def test_a_key_that_was_refused_is_good_when_the_reason_is_gone(
    client: TestClient, sessions: Sessions, admin: SignedUser
) -> None:
    mail = about_an_order(sessions, new_id(), State.QUEUED)
    key = {"Idempotency-Key": "again"}
    refused(resend(client, admin, mail.id, **key), 409, "still_waiting")
    with sessions.begin() as session:
        session.execute(update(Notification).values(state=State.FAILED))
    assert resend(client, admin, mail.id, **key).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
def test_a_key_that_cannot_be_one_is_refused(
    client: TestClient, sessions: Sessions, admin: SignedUser, key: str
) -> None:
    mail = about_an_order(sessions, new_id())
    headers = admin.headers | {"Idempotency-Key": key.encode("latin-1")}
    assert client.post(f"/api/notifications/{mail.id}/resend/", headers=headers).status_code == 400


def test_a_secret_is_not_sent_twice(
    client: TestClient,
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
    challenges: Challenges,
    admin: SignedUser,
) -> None:
    user = new_id()
    queue(sessions, code_requested(authority.challenge("sign_in", CODE, user)))
    queue(sessions, registered(user, challenge=authority.challenge("email_check", TOKEN, user)))
    queue(sessions, updated(user, 2, "Ada", challenge=authority.challenge("email_check", TOKEN, user)))
    for state in (State.QUEUED, State.SENT):
        for mail in all_mails(sessions):
            code = "notification_not_found" if mail.user_id == NOBODY else "one_time_secret"
            refused(resend(client, admin, mail.id), 404 if mail.user_id == NOBODY else 409, code)
        send(sessions, office, challenges)
        assert {mail.state for mail in all_mails(sessions)} == {State.SENT}, state
    assert len(office.mails) == 3


def test_a_welcome_of_before_there_were_secrets_may_be_sent_again(
    client: TestClient, sessions: Sessions, office: PostOffice, admin: SignedUser
) -> None:
    queue(sessions, registered(new_id()))
    send(sessions, office)
    assert resend(client, admin, only_mail(sessions).id).status_code == 202


def test_it_goes_to_where_its_user_is_reached_now(
    client: TestClient, sessions: Sessions, office: PostOffice, admin: SignedUser
) -> None:
    mail = about_an_order(sessions, new_id(), State.FAILED)
    queue(sessions, updated(mail.user_id, 2, "Adela", previous="ada@example.com"))
    assert resend(client, admin, mail.id).json()["email"] == "adela@example.com"
    send(sessions, office)
    (told,) = (each for each in office.mails if mail.subject == each["Subject"])
    assert told["To"] == "Adela <adela@example.com>"
    notice = next(each for each in all_mails(sessions) if each.type == "email_changed")
    assert resend(client, admin, notice.id).json()["email"] == "ada@example.com", "that one is for the previous address"


def test_what_the_user_has_switched_off_is_not_sent_behind_their_back(
    client: TestClient, sessions: Sessions, office: PostOffice, admin: SignedUser, signer: Signer
) -> None:
    ada = signer.user()
    queue(sessions, registered(ada.id), moved(ada.id, new_id(), 2, "pending", "shipped"))
    send(sessions, office)
    client.patch("/api/notifications/preferences/", json={"order_status": False}, headers=ada.headers)
    queue(sessions, moved(ada.id, new_id(), 2, "pending", "shipped"))
    mails = [mail for mail in all_mails(sessions) if mail.type == "order_status"]
    assert {mail.state for mail in mails} == {State.SENT, State.SKIPPED}
    for mail in mails:
        refused(resend(client, admin, mail.id), 409, "switched_off")
    client.patch("/api/notifications/preferences/", json={"order_status": True}, headers=ada.headers)
    assert [resend(client, admin, mail.id).status_code for mail in mails] == [202, 202]


def test_a_resent_mail_is_handed_to_the_workers(
    handed: list[UUID], client: TestClient, sessions: Sessions, admin: SignedUser
) -> None:
    mail = about_an_order(sessions, new_id())
    copy = resend(client, admin, mail.id).json()["id"]
    eventually(lambda: handed.count(UUID(copy)) == 1)
