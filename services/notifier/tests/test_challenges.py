"""Mails with a secret: asked for when the mail is written, sent to whom it proves, gone when it is worth nothing."""

import re
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import Signer
from common.testing.waiting import eventually
from notifier.clients import Challenges
from notifier.dispatch import Dispatch
from notifier.models import NOBODY, Notification, State
from notifier.queueing import queue_mails
from notifier.sending import OVER

from .authority import CODE, TOKEN, Authority, Requested, both
from .desk import all_mails, only_mail, queue, send, text_of
from .postoffice import PostOffice
from .telling import code_requested, registered, reset_requested, updated

SIX_DIGITS = re.compile(r"(?<![0-9])[0-9]{6}(?![0-9])")


def test_a_code_asked_for_is_in_the_mail_and_the_mail_in_its_owners_list(
    client: TestClient,
    worker: None,
    broker: Broker,
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
    signer: Signer,
) -> None:
    ada = signer.user("ada")
    challenge = authority.challenge("sign_in", CODE, ada.id)
    broker.tell(code_requested(challenge), times=3)
    eventually(lambda: [mail.state for mail in all_mails(sessions)] == [State.SENT])
    assert [(mail["To"], mail["Subject"]) for mail in office.mails] == [("Ada <ada@example.com>", "Your sign-in code")]
    (shown,) = client.get("/api/notifications/", headers=ada.headers).json()["results"]
    assert (shown["type"], shown["status"], shown["email"]) == ("one_time_code", "sent", "ada@example.com")
    assert authority.asked == 1


def test_the_link_for_a_new_password_goes_over_the_same_way(
    client: TestClient, worker: None, broker: Broker, sessions: Sessions, office: PostOffice, authority: Authority
) -> None:
    broker.tell(reset_requested(authority.challenge("password_reset", TOKEN)), times=3)
    eventually(lambda: [mail.state for mail in all_mails(sessions)] == [State.SENT])
    (mail,) = office.mails
    assert mail["Subject"] == "Set a new password"
    link = f"http://127.0.0.1:8080/account/reset-password/#token={TOKEN}"
    assert link in text_of(mail, "plain").splitlines()
    assert f'href="{link}"' in text_of(mail, "html")


def test_six_digits_are_found_once_in_each_part_and_on_a_line_of_their_own(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    queue(sessions, code_requested(authority.challenge("sign_in", CODE, name="customer123456")))
    send(sessions, office, challenges)
    (mail,) = office.mails
    for kind in ("plain", "html"):
        body = text_of(mail, kind)
        assert SIX_DIGITS.findall(body) == [CODE]
        assert CODE in body.splitlines()
        assert "good for 10 minutes" in body
        assert "Never tell it to anyone" in body
    assert CODE not in mail["Subject"]


def test_a_welcome_holds_the_link_that_checks_the_address(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    user = new_id()
    queue(sessions, registered(user, challenge=authority.challenge("email_check", TOKEN, user)))
    send(sessions, office, challenges)
    (mail,) = office.mails
    link = f"http://shop/account/verify-email/#token={TOKEN}"
    assert link in text_of(mail, "plain").splitlines()
    assert f'href="{link}"' in text_of(mail, "html")


def test_a_welcome_goes_without_a_link_when_there_is_nothing_left_to_check(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    queue(sessions, registered(new_id(), challenge=new_id()), registered(new_id(), "Bob"))
    send(sessions, office, challenges)
    assert [mail.state for mail in all_mails(sessions)] == [State.SENT] * 2
    assert authority.asked == 1, "an older event knows no challenge"
    for mail in office.mails:
        assert "is open" in text_of(mail, "plain")
        assert "#token" not in text_of(mail, "plain") + text_of(mail, "html")


def test_a_changed_address_is_checked_and_the_previous_one_told(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    user = new_id()
    challenge = authority.challenge("email_check", TOKEN, user, email="adela@example.com", name="Adela")
    event = updated(user, 2, "Adela", previous="ada@example.com", challenge=challenge)
    queue(sessions, event)
    queue(sessions, event)
    send(sessions, office, challenges)
    mails = {str(mail["Subject"]): mail for mail in office.mails}
    assert len(office.mails) == 2
    assert mails["Check your new address"]["To"] == "Adela <adela@example.com>"
    assert mails["Your address was changed"]["To"] == "Adela <ada@example.com>"
    assert f"http://shop/account/verify-email/#token={TOKEN}" in text_of(mails["Check your new address"], "plain")
    assert TOKEN not in text_of(mails["Your address was changed"], "plain")
    assert {mail.user_id for mail in all_mails(sessions)} == {user}


def test_a_secret_goes_only_to_the_address_that_it_proves(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    user = new_id()
    challenge = authority.challenge("email_check", TOKEN, user, email="other@example.com")
    queue(sessions, updated(user, 2, "Eve", challenge=challenge))
    send(sessions, office, challenges)
    assert [mail["To"] for mail in office.mails] == ["Ada <other@example.com>"]
    assert only_mail(sessions).email == "other@example.com"


@both
def test_of_an_address_that_is_nobodys_nothing_remains(
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
    challenges: Challenges,
    requested: Requested,
    purpose: str,
    secret: str,
) -> None:
    event = requested(new_id())
    assert (queue(sessions, event)[0].user_id, only_mail(sessions).email) == (NOBODY, "")
    send(sessions, office, challenges)
    assert all_mails(sessions) == []
    queue(sessions, event)
    send(sessions, office, challenges)
    assert (all_mails(sessions), office.mails) == ([], [])


@both
def test_what_is_over_before_its_owner_could_be_reached_has_failed(
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
    challenges: Challenges,
    requested: Requested,
    purpose: str,
    secret: str,
) -> None:
    user = new_id()
    queue(sessions, requested(authority.challenge(purpose, secret, user)))
    office.open = False
    send(sessions, office, challenges)
    assert (only_mail(sessions).state, only_mail(sessions).user_id) == (State.QUEUED, user)
    office.open = True
    authority.challenges.clear()
    send(sessions, office, challenges)
    mail = only_mail(sessions)
    assert (mail.state, mail.error, mail.user_id) == (State.FAILED, OVER, user)
    assert office.mails == []


def test_a_check_that_is_over_has_failed(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    queue(sessions, updated(new_id(), 2, "Adela", challenge=new_id()))
    send(sessions, office, challenges)
    assert (only_mail(sessions).state, only_mail(sessions).error) == (State.FAILED, OVER)


@both
def test_nobody_sees_a_mail_of_which_only_auth_knows_whose_it_is(
    client: TestClient, sessions: Sessions, signer: Signer, requested: Requested, purpose: str, secret: str
) -> None:
    queue(sessions, requested(new_id()), registered(new_id()))
    for user, count in ((signer.user(), 0), (signer.admin(), 1)):
        assert client.get("/api/notifications/", headers=user.headers).json()["count"] == count
        assert len(client.get("/api/notifications/?cursor=", headers=user.headers).json()["results"]) == count


def test_a_mail_with_a_secret_is_sent_again_under_the_same_message_id(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    event = code_requested(authority.challenge("sign_in", CODE))
    queue(sessions, event)
    office.data_reply = b"451 come back later"
    send(sessions, office, challenges)
    queue(sessions, event)
    office.data_reply = b"250 kept"
    send(sessions, office, challenges)
    queue(sessions, event)
    send(sessions, office, challenges)
    assert only_mail(sessions).state == State.SENT
    assert len({mail["Message-ID"] for mail in office.mails}) == 1
    assert len(office.mails) == 2, "the one that was put off, and the one that was taken"


def test_a_challenge_that_is_told_again_is_still_one_mail(sessions: Sessions) -> None:
    event = code_requested(new_id())
    with sessions.begin() as first:
        queue_mails(first, [event, event])
    with sessions.begin() as session:
        session.execute(update(Notification).values(user_id=new_id()))
    assert len(queue(sessions, event, event)) == 1, "also when its owner is known by now"


@pytest.mark.parametrize(
    "address",
    ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com,eve@example.com", "ada@example.com>,<eve@example.com"],
)
def test_an_address_is_one_address_and_no_header(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges, address: str
) -> None:
    queue(sessions, code_requested(authority.challenge("sign_in", CODE, email=address)))
    queue(sessions, updated(new_id(), 2, "Adela", previous=address))
    send(sessions, office, challenges)
    assert [mail.state for mail in all_mails(sessions)] == [State.FAILED] * 2
    assert (office.mails, office.said.count(b"RCPT")) == ([], 0)


def test_a_name_with_a_line_break_is_no_header_either(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    queue(sessions, reset_requested(authority.challenge("password_reset", TOKEN, name="Ada\r\nBcc: eve@example.com")))
    send(sessions, office, challenges)
    (mail,) = office.mails
    assert mail["Bcc"] is None


def test_of_a_slow_worker_whose_mail_another_one_has_forgotten_nothing_breaks(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    challenge = new_id()
    queue(sessions, code_requested(challenge), registered(new_id()))

    def meanwhile(path: str, _: Any) -> tuple[int, Any]:
        with sessions.begin() as session:
            session.delete(session.get_one(Notification, mail_of(sessions, challenge)))
        return 404, {}

    authority.sister.answer("GET", f"/internal/challenges/{challenge}/", meanwhile)
    send(sessions, office, challenges)
    assert [(mail.type, mail.state) for mail in all_mails(sessions)] == [("welcome", State.SENT)]


def test_what_somebody_waits_for_is_handed_over_apart(sessions: Sessions) -> None:
    queue(sessions, *(registered(new_id(), f"User{n}") for n in range(3)))
    urgent = [code_requested(new_id()), reset_requested(new_id())]
    queue(sessions, *urgent)
    handed: list[list[UUID]] = []
    dispatch = Dispatch(sessions, lambda ids: handed.append(list(ids)))
    assert [dispatch._hand_over(urgent=urgent) for urgent in (False, True, False, True)] == [3, 2, 0, 0]
    types = {mail.id: mail.type for mail in all_mails(sessions)}
    assert {types[mail_id] for mail_id in handed[0]} == {"welcome"}
    assert {types[mail_id] for mail_id in handed[1]} == {"one_time_code", "password_reset"}


def mail_of(sessions: Sessions, challenge: UUID) -> UUID:
    return next(mail.id for mail in all_mails(sessions) if mail.challenge_id == challenge)
