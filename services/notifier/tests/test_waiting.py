"""Mails with a secret wait: for auth, for the mail server, and never longer than they are worth anything."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from common.clock import now
from common.database import Sessions
from common.http import Sister
from common.ids import new_id
from common.service_tokens import Badge
from common.testing.badges import Badges
from common.testing.sisters import FakeSister
from notifier.clients import Challenges
from notifier.models import RETRY_S, Notification, State
from notifier.sending import OVER

from .authority import CODE, TOKEN, Authority, Requested, both
from .desk import all_mails, only_mail, queue, send, text_of
from .postoffice import PostOffice
from .telling import code_requested, placed, registered

FAILURES: list[tuple[int, Any]] = [
    (500, {}),
    (503, {"code": "unavailable"}),
    (401, {"code": "invalid_token"}),
    (403, {"code": "forbidden"}),
    (200, None),
    (200, {"secret": CODE}),
    (200, {"purpose": "sign_in", "user_id": "?", "email": "ada@example.com", "name": "Ada", "secret": CODE}),
]


@pytest.mark.parametrize("failing", FAILURES)
def test_while_auth_does_not_tell_the_mail_waits_and_says_why(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges, failing: tuple[int, Any]
) -> None:
    user = new_id()
    queue(sessions, code_requested(authority.challenge("sign_in", CODE)), registered(user), placed(user))
    authority.failing = failing
    send(sessions, office, challenges)
    states = {mail.type: mail.state for mail in all_mails(sessions)}
    assert states == {"one_time_code": State.QUEUED, "welcome": State.SENT, "order_confirmation": State.SENT}
    (waiting,) = (mail for mail in all_mails(sessions) if mail.type == "one_time_code")
    assert waiting.error.startswith("Unavailable('auth ")
    assert CODE not in waiting.error
    assert waiting.due_at > now()
    authority.failing = None
    send(sessions, office, challenges)
    assert CODE in text_of(office.mails[-1], "plain")


def test_a_worker_without_a_good_badge_gets_no_secret(
    sessions: Sessions, office: PostOffice, authority: Authority, auth_sister: FakeSister, badges: Badges
) -> None:
    queue(sessions, code_requested(authority.challenge("sign_in", CODE)))
    for badge in (Badge("notifier"), badges.badge("cart"), Badge("notifier", badges.key("cart"))):
        sister = Sister("auth", auth_sister.url, badge, timeout_s=10)
        send(sessions, office, Challenges(sister))
        sister.close()
    assert (only_mail(sessions).state, office.mails) == (State.QUEUED, [])
    assert "401" in only_mail(sessions).error


def test_a_secret_for_something_else_or_somebody_else_is_not_sent(
    sessions: Sessions, office: PostOffice, authority: Authority, challenges: Challenges
) -> None:
    another = authority.challenge("email_check", TOKEN, new_id())
    queue(sessions, code_requested(authority.challenge("password_reset", TOKEN)))
    queue(sessions, registered(new_id(), challenge=another))
    send(sessions, office, challenges)
    assert [mail.state for mail in all_mails(sessions)] == [State.QUEUED] * 2
    assert office.mails == []


@both
def test_a_mail_that_soon_expires_is_tried_until_then_and_no_longer(
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
    challenges: Challenges,
    requested: Requested,
    purpose: str,
    secret: str,
) -> None:
    queue(sessions, requested(authority.challenge(purpose, secret)))
    office.open = False
    for _ in range(len(RETRY_S) + 2):
        send(sessions, office, challenges)
        assert only_mail(sessions).state == State.QUEUED
        assert only_mail(sessions).due_at <= now() + timedelta(seconds=60)
    with sessions.begin() as session:
        soon = {"expires_at": (now() + timedelta(seconds=5)).isoformat()}
        session.execute(update(Notification).values(data=soon))
    send(sessions, office, challenges)
    assert only_mail(sessions).state == State.FAILED, "the next try would come too late"
    assert "Error" in only_mail(sessions).error or "Disconnected" in only_mail(sessions).error


@both
def test_what_has_expired_is_neither_asked_for_nor_sent(
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
    challenges: Challenges,
    requested: Requested,
    purpose: str,
    secret: str,
) -> None:
    queue(sessions, requested(authority.challenge(purpose, secret), timedelta(seconds=-1)))
    send(sessions, office, challenges)
    assert (only_mail(sessions).state, only_mail(sessions).error) == (State.FAILED, OVER)
    assert (authority.asked, office.mails) == (0, [])
