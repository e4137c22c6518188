"""A forgotten password: a link that is mailed, good once, and the same answer for every address."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from auth.challenges import Challenges
from auth.models import Purpose, User
from common.database import Sessions
from common.testing.broker import Broker

from .conftest import PASSWORD, SECRET, Person, Postman, form, from_address, refused

REQUEST, CONFIRM, VERIFY = "/api/auth/password-reset/", "/api/auth/password-reset/confirm/", "/api/auth/verify-email/"
NEW = "a lantern under the stairs"


def ask(client: httpx.Client, email: str) -> httpx.Response:
    return client.post(REQUEST, json={"email": email})


def confirm(client: httpx.Client, token: str, new: str = NEW) -> httpx.Response:
    return client.post(CONFIRM, json={"token": token, "new_password": new})


@pytest.fixture
def token(client: httpx.Client, ada: Person, postman: Postman) -> str:
    """What Ada's mail ends with."""
    assert ask(client, ada.email).status_code == 202
    return postman.secret(ada.email, Purpose.PASSWORD_RESET)


def test_the_answer_is_the_same_for_every_address(client: httpx.Client, ada: Person, postman: Postman) -> None:
    stranger = str(form()["email"])
    answers = [ask(client, ada.email), ask(client, stranger)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    refused(postman.ask(stranger, Purpose.PASSWORD_RESET), 404, "nothing_to_mail")
    for again in (ask(client, ada.email), ask(client, stranger)):
        refused(again, 429, "too_many_requests")


def test_what_is_said_holds_neither_address_nor_token(client: httpx.Client, token: str, broker: Broker) -> None:
    tap, email = broker.tap("user.password_reset_requested"), str(form()["email"])
    ask(client, email)
    said = broker.take(tap, 1)[0]
    assert set(said["data"]) == {"challenge_id", "expires_at"}
    assert email not in str(said)


def test_a_new_password_ends_all_sessions_and_lifts_the_throttle(
    client: httpx.Client, ada: Person, token: str, broker: Broker
) -> None:
    tap, other = broker.tap("user.sessions_revoked"), ada.log_in()
    wrong = {"username": ada.form["username"], "password": "wrong"}
    refused(client.post("/api/auth/login/", json=wrong), 401, "invalid_credentials")
    assert confirm(client, token).status_code == 200
    for session in (ada, other):
        refused(session.ask("GET", "me/"), 401, "session_ended")
    while (said := broker.take(tap, 1)[0])["subject"] != ada.id:
        continue  # of an earlier test
    assert (said["data"]["reason"], len(said["data"]["sessions"])) == ("password_reset", 2)
    signed_in = client.post("/api/auth/login/", json=wrong | {"password": NEW})
    assert signed_in.json()["user"]["email_verified"] is True
    refused(client.post("/api/auth/login/", json=wrong | {"password": PASSWORD}), 401, "invalid_credentials")


def test_a_token_is_good_once(client: httpx.Client, token: str) -> None:
    assert confirm(client, token).status_code == 200
    refused(confirm(client, token, "another lantern, another stair"), 400, "invalid_token")


def test_ten_uses_at_once_are_one(client: httpx.Client, token: str) -> None:
    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(lambda n: confirm(client, token, f"{NEW} {n}").status_code, range(10)))
    assert Counter(answers) == {200: 1, 400: 9}


def test_a_link_that_was_mailed_before_the_password_was_changed_is_refused(
    client: httpx.Client, ada: Person, token: str
) -> None:
    wrong = {"old_password": "wrong", "new_password": NEW}
    refused(ada.ask("POST", "change-password/", wrong, from_address(7)), 401, "invalid_credentials")
    assert confirm(client, token, "password1").json()["code"] == "weak_password", "the link is still good"
    changed = ada.ask("POST", "change-password/", wrong | {"old_password": PASSWORD})
    assert changed.status_code == 200
    refused(confirm(client, token, "another lantern, another stair"), 400, "invalid_token")


def test_a_weak_password_leaves_the_token_good(client: httpx.Client, ada: Person, token: str) -> None:
    for weak in ("password1", ada.email):
        body = refused(confirm(client, token, weak), 400, "weak_password")
        assert "new_password" in body["errors"]
    assert confirm(client, token).status_code == 200


def test_an_expired_or_superseded_token_is_refused(
    client: httpx.Client, ada: Person, token: str, postman: Postman
) -> None:
    postman.age(ada.email, timedelta(minutes=2))
    ask(client, ada.email)
    refused(confirm(client, token), 400, "invalid_token")
    newer = postman.secret(ada.email, Purpose.PASSWORD_RESET)
    postman.age(ada.email, timedelta(hours=1))
    refused(confirm(client, newer), 400, "invalid_token")
    refused(postman.ask(ada.email, Purpose.PASSWORD_RESET), 404, "nothing_to_mail")


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "A", lambda t: t[::-1], lambda t: t[:22] + "A" * 42]
)
@pytest.mark.parametrize("path", [CONFIRM, VERIFY])
def test_a_forged_token_is_refused(client: httpx.Client, token: str, path: str, change: Any) -> None:
    body = {"token": change(token)} | ({"new_password": NEW} if path == CONFIRM else {})
    refused(client.post(path, json=body), 400, "invalid_token")


@pytest.mark.parametrize("odd", ["x", "ä" * 64, "=" * 64, "\x00" * 64, "../" * 20, " " * 64, "A" * 64])
def test_what_cannot_be_a_token_is_refused(client: httpx.Client, odd: str) -> None:
    assert client.post(VERIFY, json={"token": odd}).status_code == 400
    assert confirm(client, odd).status_code == 400


def test_a_token_of_one_kind_is_none_of_another(
    client: httpx.Client, ada: Person, token: str, postman: Postman
) -> None:
    refused(client.post(VERIFY, json={"token": token}), 400, "invalid_token")
    refused(confirm(client, postman.secret(ada.email, Purpose.EMAIL_CHECK)), 400, "invalid_token")


def test_a_code_is_no_token(client: httpx.Client, ada: Person, postman: Postman) -> None:
    client.post("/api/auth/request-otp/", json={"email": ada.email})
    challenge = postman.challenge(ada.email, Purpose.SIGN_IN)
    challenge.purpose = Purpose.PASSWORD_RESET
    refused(confirm(client, Challenges(SECRET).secret(challenge)), 400, "invalid_token")


def test_a_disabled_accounts_token_is_refused(
    client: httpx.Client, ada: Person, token: str, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        session.execute(update(User).where(User.email == ada.email).values(is_active=False))
    refused(confirm(client, token), 400, "invalid_token")


def test_an_address_is_checked_once(client: httpx.Client, ada: Person, postman: Postman) -> None:
    assert ada.user["email_verified"] is False
    proof = {"token": postman.secret(ada.email, Purpose.EMAIL_CHECK)}
    assert client.post(VERIFY, json=proof).status_code == 200
    assert ada.ask("GET", "me/").json()["email_verified"] is True
    refused(client.post(VERIFY, json=proof), 400, "invalid_token")


def test_the_check_of_an_address_that_is_no_longer_the_accounts_is_worth_nothing(
    client: httpx.Client, ada: Person, postman: Postman
) -> None:
    proof = {"token": postman.secret(ada.email, Purpose.EMAIL_CHECK)}
    ada.ask("PATCH", "me/", {"email": form()["email"], "current_password": PASSWORD})
    refused(client.post(VERIFY, json=proof), 400, "invalid_token")
    assert ada.ask("GET", "me/").json()["email_verified"] is False
