"""What is said about an account: the copy of name and address follows it, and its owner reads what has changed."""

from itertools import permutations
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from common.consumer import NotYet
from common.database import Sessions
from common.ids import new_id
from common.testing.signing import Signer
from notifier.models import Recipient

from .desk import all_mails, queue, send, text_of
from .postoffice import PostOffice
from .telling import placed, registered, revoked, updated


def known(sessions: Sessions, user: UUID) -> tuple[str, str, int]:
    with sessions.begin() as session:
        row = session.scalars(select(Recipient).where(Recipient.user_id == user)).one()
        return row.email, row.name, row.version


def test_the_newest_name_and_address_stay_in_whatever_order_they_are_told(sessions: Sessions) -> None:
    for order in permutations(range(3)):
        user = new_id()
        told = [registered(user), updated(user, 2, "Adela"), updated(user, 3, "Adele")]
        for turn in order:
            queue(sessions, told[turn])
        assert known(sessions, user) == ("adele@example.com", "Adele", 3), order


def test_a_batch_that_tells_it_backwards_counts_the_same(sessions: Sessions) -> None:
    user = new_id()
    queue(sessions, updated(user, 3, "Adele"), updated(user, 2, "Adela"), registered(user))
    assert known(sessions, user) == ("adele@example.com", "Adele", 3)


def test_the_same_version_told_again_with_another_address_changes_nothing(sessions: Sessions) -> None:
    user = new_id()
    queue(sessions, updated(user, 2, "Adela"))
    queue(sessions, updated(user, 2, "Eve"))
    assert known(sessions, user) == ("adela@example.com", "Adela", 2)


def test_a_name_that_is_too_long_is_cut(sessions: Sessions) -> None:
    user = new_id()
    queue(sessions, registered(user), updated(user, 2, "A" * 150).model_copy(update={"last_name": "B" * 150}))
    assert known(sessions, user)[1] == f"{'A' * 150} {'B' * 49}"


def test_mails_go_to_the_address_that_is_known_now(sessions: Sessions, office: PostOffice) -> None:
    user = new_id()
    queue(sessions, registered(user), updated(user, 2, "Adela"))
    order = placed(user)
    queue(sessions, order)
    send(sessions, office)
    (confirmation,) = (mail for mail in office.mails if order.number in mail["Subject"])
    assert confirmation["To"] == "Adela <adela@example.com>"


def test_a_new_name_alone_is_no_reason_for_a_mail(sessions: Sessions) -> None:
    assert queue(sessions, updated(new_id(), 2, "Adela")) == []


def test_the_previous_address_reads_that_it_is_no_longer_the_one(sessions: Sessions, office: PostOffice) -> None:
    user = new_id()
    event = updated(user, 2, "Adela", previous="ada@example.com")
    queue(sessions, event)
    queue(sessions, event)
    send(sessions, office)
    (mail,) = office.mails
    assert (mail["Subject"], mail["To"]) == ("Your address was changed", "Adela <ada@example.com>")
    for kind in ("plain", "html"):
        assert "adela@example.com" in text_of(mail, kind)
        assert "reset your password" in text_of(mail, kind)


@pytest.mark.parametrize(
    ("reason", "kind", "subject", "words"),
    [
        ("password_changed", "password_changed", "Your password was changed", "All other sessions are ended"),
        ("password_reset", "password_changed", "Your password was changed", "All other sessions are ended"),
        ("refresh_reused", "session_ended", "A session was ended", "so we ended that session"),
    ],
)
def test_sessions_that_ended_for_a_reason_worth_knowing_are_told(
    sessions: Sessions, office: PostOffice, reason: str, kind: str, subject: str, words: str
) -> None:
    user = new_id()
    event = revoked(user, 2, reason)
    with pytest.raises(NotYet):
        queue(sessions, event)
    queue(sessions, registered(user))
    for _ in range(3):
        queue(sessions, event)
    assert sorted(mail.type for mail in all_mails(sessions)) == sorted(["welcome", kind])
    send(sessions, office)
    (mail,) = (mail for mail in office.mails if mail["Subject"] == subject)
    for part in ("plain", "html"):
        assert words in text_of(mail, part)
        assert "14:05 UTC on 25 November 2026" in text_of(mail, part)


def test_sessions_that_ended_for_any_other_reason_are_not(sessions: Sessions) -> None:
    user = new_id()
    reasons = ["logout", "role_changed", "disabled", "ended", "email_changed", "a reason of next year"]
    assert queue(sessions, *(revoked(user, 2 + n, reason) for n, reason in enumerate(reasons))) == []


def test_each_change_of_the_password_is_told_once(sessions: Sessions) -> None:
    user = new_id()
    queue(sessions, registered(user), revoked(user, 2, "password_changed"), revoked(user, 3, "password_changed"))
    assert [mail.type for mail in all_mails(sessions)].count("password_changed") == 2


def test_the_list_shows_them_to_their_owner(client: TestClient, sessions: Sessions, signer: Signer) -> None:
    ada = signer.user("ada")
    queue(sessions, registered(ada.id), updated(ada.id, 2, "Adela", previous="ada@example.com"))
    shown = client.get("/api/notifications/?type=email_changed", headers=ada.headers).json()["results"]
    assert [(mail["email"], mail["subject"]) for mail in shown] == [("ada@example.com", "Your address was changed")]
