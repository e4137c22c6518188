"""Changing one's account: what others know it by asks for the password, and a new password ends all other sessions."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from auth.models import Challenge, Purpose, User, compared
from auth.schemas import Change
from common.database import Sessions
from common.testing.broker import Broker

from .conftest import PASSWORD, Person, Postman, form, from_address, refused, signed_up

NEW = "a lantern under the stairs"
ME = "me/"


def about(broker: Broker, tap: str, person: Person) -> dict[str, Any]:
    """The next event about this person."""
    while (said := broker.take(tap, 1)[0])["subject"] != person.id:
        continue  # of an earlier test
    return dict(said)


def test_strangers_change_nothing(client: httpx.Client) -> None:
    refused(client.patch("/api/auth/me/", json={"first_name": "Eve"}), 401, "not_authenticated")
    refused(client.post("/api/auth/change-password/", json={}), 401, "not_authenticated")


@pytest.mark.parametrize(
    "body",
    [
        {"first_name": 1},
        {"first_name": "x" * 151},
        {"username": "two words", "current_password": PASSWORD},
        {"email": "nowhere", "current_password": PASSWORD},
        {"phone_number": "call me"},
        {"role": "admin"},
        {"is_active": False},
        {"id": "0190d9a0-0000-7000-8000-000000000000"},
        {"email_verified": True},
        {"password": NEW},
        [],
    ],
)
def test_what_cannot_be_is_refused(ada: Person, body: Any) -> None:
    assert ada.ask("PATCH", ME, body).status_code == 400
    assert ada.ask("GET", ME).json() == ada.user


def test_names_change_without_a_password_and_it_is_said(ada: Person, broker: Broker) -> None:
    tap = broker.tap("user.updated")
    changed = ada.ask("PATCH", ME, {"first_name": "Ada", "last_name": "Lovelace", "phone_number": "+44 20"})
    assert changed.status_code == 200
    assert changed.json() == ada.user | {"first_name": "Ada", "last_name": "Lovelace", "phone_number": "+44 20"}
    assert ada.ask("GET", ME).json() == changed.json()
    said = about(broker, tap, ada)["data"]
    assert (said["first_name"], said["email"], said["previous_email"], said["challenge_id"]) == (
        "Ada",
        ada.email,
        None,
        None,
    )


def test_what_stays_as_it_is_is_no_change(ada: Person) -> None:
    before = ada.ask("GET", ME)
    same = ada.ask("PATCH", ME, {"username": ada.form["username"], "email": ada.email, "first_name": ""})
    assert (same.status_code, same.headers["etag"]) == (200, before.headers["etag"])


@pytest.mark.parametrize("field", ["username", "email"])
def test_another_name_or_address_asks_for_the_password(ada: Person, field: str) -> None:
    change = {field: form()[field]}
    body = refused(ada.ask("PATCH", ME, change), 400, "password_needed")
    assert "current_password" in body["errors"]
    refused(ada.ask("PATCH", ME, change | {"current_password": "wrong"}), 401, "invalid_credentials")
    refused(ada.ask("PATCH", ME, change | {"current_password": PASSWORD}), 429, "too_many_attempts")
    elsewhere = ada.ask("PATCH", ME, change | {"current_password": PASSWORD}, from_address(1))
    assert elsewhere.json()[field] == change[field]


def test_a_new_address_is_checked_anew(ada: Person, postman: Postman, broker: Broker) -> None:
    ada.ask("POST", "verify-email/", {"token": postman.secret(ada.email, Purpose.EMAIL_CHECK)})
    assert ada.ask("GET", ME).json()["email_verified"] is True
    tap, new = broker.tap("user.updated"), form()["email"]
    changed = ada.ask("PATCH", ME, {"email": new, "current_password": PASSWORD})
    assert changed.json()["email_verified"] is False
    said = about(broker, tap, ada)["data"]
    assert (said["email"], said["previous_email"]) == (new, ada.email)
    assert said["challenge_id"] == str(postman.challenge(new, Purpose.EMAIL_CHECK).id)
    ada.ask("POST", "verify-email/", {"token": postman.secret(new, Purpose.EMAIL_CHECK)})
    assert ada.ask("GET", ME).json()["email_verified"] is True


def test_an_address_that_is_taken_and_left_again_and_again_is_not_mailed_each_time(
    ada: Person, ben: Person, postman: Postman, sessions: Sessions
) -> None:
    def move(person: Person, email: str) -> httpx.Response:
        return person.ask("PATCH", ME, {"email": email, "current_password": PASSWORD})

    victim = form()["email"]
    for person in (ada, ben, ada, ben, ada):
        assert move(person, victim).status_code == 200
        assert move(person, form()["email"]).status_code == 200
        refused(move(ben, victim), 429, "too_many_requests")
        postman.age(victim, timedelta(minutes=1, seconds=1))
    sixth = move(ben, victim)
    refused(sixth, 429, "too_many_requests")
    assert int(sixth.headers["retry-after"]) > 3000
    with sessions.begin() as session:
        mailed = session.scalars(select(Challenge).where(Challenge.email_key == compared(victim))).all()
        assert len(mailed) == 5
    assert ben.ask("GET", ME).json()["email"] != victim


def test_a_taken_name_or_address_is_refused(ada: Person, ben: Person) -> None:
    for change in ({"username": ben.form["username"].upper()}, {"email": ben.email}):
        refused(ada.ask("PATCH", ME, change | {"current_password": PASSWORD}), 409, "already_registered")
    assert ada.ask("GET", ME).json() == ada.user


def test_of_eight_people_who_want_one_name_at_once_one_gets_it(client: httpx.Client) -> None:
    wanted = {"username": form()["username"], "current_password": PASSWORD}
    people = [signed_up(client) for _ in range(8)]
    with ThreadPoolExecutor(8) as crowd:
        answers = Counter(crowd.map(lambda person: person.ask("PATCH", ME, wanted).status_code, people))
    assert answers == {200: 1, 409: 7}


def test_a_change_of_what_has_changed_since_is_refused(ada: Person) -> None:
    tag = ada.ask("GET", ME).headers["etag"]
    assert ada.ask("GET", ME, headers={"If-None-Match": tag}).status_code == 304
    first = ada.ask("PATCH", ME, {"first_name": "Ada"}, {"If-Match": tag})
    assert first.status_code == 200
    refused(ada.ask("PATCH", ME, {"first_name": "Eve"}, {"If-Match": tag}), 412, "precondition_failed")
    assert ada.ask("GET", ME).json()["first_name"] == "Ada"


@pytest.mark.parametrize(
    ("new", "code"), [("short", "invalid"), ("x" * 129, "invalid"), ("password1", "weak_password"), (1, "invalid")]
)
def test_a_weak_password_is_refused_by_the_fields_name(ada: Person, new: Any, code: str) -> None:
    body = refused(ada.ask("POST", "change-password/", {"old_password": PASSWORD, "new_password": new}), 400, code)
    assert "new_password" in body["errors"]


def test_ones_own_name_is_no_new_password(ada: Person) -> None:
    body = {"old_password": PASSWORD, "new_password": ada.form["username"].upper()}
    refused(ada.ask("POST", "change-password/", body), 400, "weak_password")


def test_the_old_password_must_be_right_and_is_throttled(ada: Person) -> None:
    wrong = {"old_password": "wrong", "new_password": NEW}
    refused(ada.ask("POST", "change-password/", wrong), 401, "invalid_credentials")
    refused(ada.ask("POST", "change-password/", wrong | {"old_password": PASSWORD}), 429, "too_many_attempts")


def test_a_new_password_ends_all_other_sessions_and_it_is_said(ada: Person, broker: Broker) -> None:
    tap = broker.tap("user.sessions_revoked")
    others = [ada.log_in(), ada.log_in()]
    done = ada.ask("POST", "change-password/", {"old_password": PASSWORD, "new_password": NEW})
    assert done.status_code == 200
    assert ada.ask("GET", ME).status_code == 200
    for other in others:
        refused(other.ask("GET", ME), 401, "session_ended")
        refused(other.ask("POST", "refresh/", {"refresh_token": other.refresh_token}), 401, "invalid_refresh")
    said = about(broker, tap, ada)["data"]
    assert (said["reason"], len(said["sessions"])) == ("password_changed", 2)
    old = {"username": ada.form["username"], "password": PASSWORD}
    assert ada.client.post("/api/auth/login/", json=old | {"password": NEW}).status_code == 200
    refused(ada.client.post("/api/auth/login/", json=old), 401, "invalid_credentials")


def test_of_two_changes_at_once_one_finds_the_old_password_wrong(ada: Person) -> None:
    wanted = [f"{NEW} {number}" for number in range(2)]

    def change(new: str) -> int:
        return ada.ask("POST", "change-password/", {"old_password": PASSWORD, "new_password": new}).status_code

    with ThreadPoolExecutor(2) as pair:
        answers = Counter(pair.map(change, wanted))
    assert answers == {200: 1, 401: 1}


def test_a_name_that_was_read_before_another_session_changed_it_is_not_taken_back_without_the_password(
    ada: Person, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has only the token sends the present name, which asks for no password, while the owner takes another."""
    before, after = ada.form["username"], form()["username"]
    renamed = {"username": after, "current_password": PASSWORD}
    looked = Change.touches_identity

    def look_and_be_overtaken(sent: Change, known: User) -> bool:
        touches = looked(sent, known)
        if sent.current_password is None and known.username == before:
            assert ada.ask("PATCH", ME, renamed).status_code == 200
        return touches

    monkeypatch.setattr(Change, "touches_identity", look_and_be_overtaken)
    refused(ada.ask("PATCH", ME, {"username": before}), 400, "password_needed")
    assert ada.ask("GET", ME).json()["username"] == after
