"""Signing in by a code that is mailed: one guess too many is one too many, and nobody learns who has an account."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import Engine, event, update

from auth.challenges import Challenges
from auth.guessing import door, lock
from auth.models import Purpose, User
from auth.schemas import Reader
from auth.signing_in import request_otp
from auth.tidying import tidy
from common.clock import now
from common.database import Sessions
from common.testing.broker import Broker

from .conftest import SECRET, Person, Postman, form, refused

REQUEST, VERIFY = "/api/auth/request-otp/", "/api/auth/verify-otp/"
MINUTE, HOUR = timedelta(minutes=1, seconds=1), timedelta(hours=1, seconds=1)
SENT = {
    "message": "if this address belongs to an account, a code is on its way to it",
    "expires_in": 600,
    "resend_after": 60,
}


def ask(client: httpx.Client, email: str) -> httpx.Response:
    return client.post(REQUEST, json={"email": email})


def answer(client: httpx.Client, email: str, code: str) -> httpx.Response:
    return client.post(VERIFY, json={"email": email, "otp": code})


def other(code: str) -> str:
    """Six digits that are not the code."""
    return f"{(int(code) + 1) % 10**6:06d}"


def nobody() -> str:
    return str(form()["email"])


@pytest.fixture(params=["an account's", "nobody's"])
def email(request: pytest.FixtureRequest, ada: Person) -> str:
    """An address; what follows must not depend on whose it is."""
    return ada.email if request.param == "an account's" else nobody()


def kill_a_code(client: httpx.Client, postman: Postman, email: str) -> None:
    """Ask for a code and guess it to death."""
    assert ask(client, email).status_code == 200
    known = Challenges(SECRET).secret(postman.challenge(email, Purpose.SIGN_IN))
    for _ in range(5):
        refused(answer(client, email, other(known)), 400, "invalid_otp")
    postman.age(email, MINUTE)


@pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": "no address"}, {"email": 1}, {"email": "a@b" * 100}])
def test_what_is_no_address_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post(REQUEST, json=body).status_code == 400


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", 123456, None, " 12345"])
def test_what_cannot_be_a_code_is_refused(client: httpx.Client, ada: Person, code: Any) -> None:
    assert client.post(VERIFY, json={"email": ada.email, "otp": code}).status_code == 400


def test_the_answer_is_the_same_for_every_address(client: httpx.Client, email: str) -> None:
    given = ask(client, email)
    assert (given.status_code, given.json(), given.headers["cache-control"]) == (200, SENT, "no-store")


def test_the_same_work_is_done_for_every_address(ada: Person, sessions: Sessions) -> None:
    engine: Engine = sessions.kw["bind"]

    def work_for(email: str) -> list[str]:
        statements: list[str] = []

        def note(*args: Any) -> None:
            statements.append(args[2])

        event.listen(engine, "before_cursor_execute", note)
        request_otp(sessions, Challenges(SECRET), Reader(email=email))
        event.remove(engine, "before_cursor_execute", note)
        return statements

    done = work_for(ada.email)
    assert done == work_for(nobody())
    assert not [statement for statement in done if "users" in statement], "whose it is was looked up"


def test_what_is_said_holds_neither_address_nor_code(
    client: httpx.Client, email: str, broker: Broker, postman: Postman
) -> None:
    tap = broker.tap("user.otp_requested")
    ask(client, email)
    challenge = postman.challenge(email, Purpose.SIGN_IN)
    while (said := broker.take(tap, 1)[0])["subject"] != str(challenge.id):
        continue  # of an earlier test
    assert set(said["data"]) == {"challenge_id", "expires_at"}
    assert email not in str(said)
    assert Challenges(SECRET).secret(challenge) not in str(said["data"])


def test_nothing_is_mailed_to_nobody(client: httpx.Client, postman: Postman) -> None:
    email = nobody()
    ask(client, email)
    refused(postman.ask(email, Purpose.SIGN_IN), 404, "nothing_to_mail")


def test_notifier_is_told_what_to_mail_and_nobody_else_is(client: httpx.Client, ada: Person, postman: Postman) -> None:
    ask(client, ada.email)
    told = postman.ask(ada.email, Purpose.SIGN_IN)
    body = told.json()
    assert told.headers["cache-control"] == "no-store"
    assert {name: body[name] for name in ("purpose", "user_id", "email", "name")} == {
        "purpose": "sign_in",
        "user_id": ada.id,
        "email": ada.email,
        "name": ada.form["username"],
    }
    assert len(body["secret"]) == 6
    path = f"/internal/challenges/{postman.challenge(ada.email, Purpose.SIGN_IN).id}/"
    catalog = postman.badges.headers("catalog", to="auth")
    refused(client.get(path), 401, "invalid_token")
    refused(client.get(path, headers=ada.headers), 401, "invalid_token")
    refused(client.get(path, headers=catalog), 403, "not_for_this_service")


def test_the_code_opens_a_session_without_an_admins_rights(
    client: httpx.Client, admin: Person, postman: Postman
) -> None:
    ask(client, admin.email)
    given = answer(client, admin.email, postman.secret(admin.email, Purpose.SIGN_IN))
    assert given.status_code == 200, given.text
    assert given.headers["cache-control"] == "no-store"
    pair = given.json()
    assert list(pair) == ["message", "access_token", "refresh_token", "token_type", "expires_in", "user"]
    assert pair["user"]["email_verified"] is True
    assert jwt.decode(pair["access_token"], options={"verify_signature": False})["amr"] == ["otp"]
    shown = {"Authorization": f"Bearer {pair['access_token']}"}
    assert client.get("/api/auth/me/", headers=shown).json()["id"] == admin.id
    refused(client.get("/api/auth/users/", headers=shown), 403, "forbidden")


def test_whatever_is_wrong_is_refused_alike(client: httpx.Client, ada: Person, ben: Person, postman: Postman) -> None:
    def bodies() -> list[dict[str, Any]]:
        never = answer(client, nobody(), "123456")
        ask(client, ada.email)
        code = postman.secret(ada.email, Purpose.SIGN_IN)
        wrong = answer(client, ada.email, other(code))
        of_another = answer(client, ben.email, code)
        assert answer(client, ada.email, code).status_code == 200
        used = answer(client, ada.email, code)
        postman.age(ada.email, MINUTE)
        ask(client, ada.email)
        late = postman.secret(ada.email, Purpose.SIGN_IN)
        postman.age(ada.email, timedelta(minutes=10))
        expired = answer(client, ada.email, late)
        return [refused(each, 400, "invalid_otp") for each in (never, wrong, of_another, used, expired)]

    seen = bodies()
    for body in seen:
        body.pop("request_id")
    assert all(body == seen[0] for body in seen)


def test_a_new_code_takes_the_place_of_the_old_one(client: httpx.Client, ada: Person, postman: Postman) -> None:
    ask(client, ada.email)
    first = postman.secret(ada.email, Purpose.SIGN_IN)
    postman.age(ada.email, MINUTE)
    ask(client, ada.email)
    second = postman.secret(ada.email, Purpose.SIGN_IN)
    if first != second:
        refused(answer(client, ada.email, first), 400, "invalid_otp")
    assert answer(client, ada.email, second).status_code == 200


def test_twenty_uses_of_one_code_at_once_open_one_session(client: httpx.Client, ada: Person, postman: Postman) -> None:
    ask(client, ada.email)
    code = postman.secret(ada.email, Purpose.SIGN_IN)
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: answer(client, ada.email, code).status_code, range(20)))
    assert Counter(answers) == {200: 1, 400: 19}


def test_fifty_guesses_at_once_are_five(client: httpx.Client, email: str, postman: Postman) -> None:
    ask(client, email)
    challenge = postman.challenge(email, Purpose.SIGN_IN)
    code = Challenges(SECRET).secret(challenge)
    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda _: answer(client, email, other(code)).status_code, range(50)))
    assert Counter(answers) == {400: 50}
    dead = postman.challenge(email, Purpose.SIGN_IN)
    assert (dead.tries, dead.closed_for) == (5, "dead")
    refused(answer(client, email, code), 400, "invalid_otp")


def test_the_right_code_as_the_fifth_guess_is_still_right(client: httpx.Client, ada: Person, postman: Postman) -> None:
    ask(client, ada.email)
    code = postman.secret(ada.email, Purpose.SIGN_IN)
    for _ in range(4):
        answer(client, ada.email, other(code))
    assert answer(client, ada.email, code).status_code == 200


def test_three_dead_codes_in_an_hour_shut_the_door_for_an_hour(
    client: httpx.Client, email: str, postman: Postman, sessions: Sessions
) -> None:
    for _ in range(3):
        kill_a_code(client, postman, email)
    for shut in (answer(client, email, "123456"), ask(client, email)):
        refused(shut, 429, "otp_locked")
        assert 3500 < int(shut.headers["retry-after"]) <= 3600


def test_three_dead_codes_in_more_than_an_hour_shut_nothing(client: httpx.Client, email: str, postman: Postman) -> None:
    for _ in range(3):
        kill_a_code(client, postman, email)
        postman.age(email, timedelta(minutes=31))
    assert ask(client, email).status_code == 200


def test_after_a_hundred_wrong_codes_in_a_row_one_guess_a_day_is_taken(
    client: httpx.Client, email: str, postman: Postman, sessions: Sessions
) -> None:
    def pass_a_day() -> None:
        with sessions.begin() as session:
            gate = lock(session, door(Purpose.SIGN_IN, email))
            gate.updated_at = gate.shut_until = now() - timedelta(days=1, seconds=1)
        postman.age(email, timedelta(days=1))
        tidy(sessions)

    def guess(times: int) -> None:
        assert ask(client, email).status_code == 200
        known = Challenges(SECRET).secret(postman.challenge(email, Purpose.SIGN_IN))
        for _ in range(times):
            refused(answer(client, email, other(known)), 400, "invalid_otp")
        postman.age(email, timedelta(minutes=31))

    for _ in range(25):
        guess(4)
    for _ in range(2):
        for shut in (answer(client, email, "123456"), ask(client, email)):
            refused(shut, 429, "otp_locked")
            assert 86_000 < int(shut.headers["retry-after"]) <= 86_400
        pass_a_day()
        guess(1)


def test_a_right_code_forgives_the_wrong_ones(
    client: httpx.Client, ada: Person, postman: Postman, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        lock(session, door(Purpose.SIGN_IN, ada.email)).failures = 99
    ask(client, ada.email)
    assert answer(client, ada.email, postman.secret(ada.email, Purpose.SIGN_IN)).status_code == 200
    postman.age(ada.email, MINUTE)
    ask(client, ada.email)
    code = postman.secret(ada.email, Purpose.SIGN_IN)
    refused(answer(client, ada.email, other(code)), 400, "invalid_otp")
    assert answer(client, ada.email, code).status_code == 200


def test_a_shut_door_leaves_the_password_alone(client: httpx.Client, ada: Person, postman: Postman) -> None:
    for _ in range(3):
        kill_a_code(client, postman, ada.email)
    refused(ask(client, ada.email), 429, "otp_locked")
    assert ada.log_in().access_token


def test_one_request_a_minute(client: httpx.Client, email: str, postman: Postman) -> None:
    assert ask(client, email).status_code == 200
    early = ask(client, email.upper())
    refused(early, 429, "too_many_requests")
    assert 1 <= int(early.headers["retry-after"]) <= 60
    postman.age(email, MINUTE)
    assert ask(client, email).status_code == 200


def test_five_requests_an_hour(client: httpx.Client, email: str, postman: Postman) -> None:
    for _ in range(5):
        assert ask(client, email).status_code == 200
        postman.age(email, MINUTE)
    sixth = ask(client, email)
    refused(sixth, 429, "too_many_requests")
    assert 3200 < int(sixth.headers["retry-after"]) < 3300, "an hour after the first of the five"
    postman.age(email, timedelta(minutes=56))
    assert ask(client, email).status_code == 200


def test_twenty_requests_at_once_are_one(client: httpx.Client, email: str) -> None:
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: ask(client, email).status_code, range(20)))
    assert Counter(answers) == {200: 1, 429: 19}


def test_a_disabled_account_gets_no_mail_and_opens_nothing(
    client: httpx.Client, ada: Person, postman: Postman, sessions: Sessions
) -> None:
    ask(client, ada.email)
    code = postman.secret(ada.email, Purpose.SIGN_IN)
    with sessions.begin() as session:
        session.execute(update(User).where(User.email == ada.email).values(is_active=False))
    refused(postman.ask(ada.email, Purpose.SIGN_IN), 404, "nothing_to_mail")
    refused(answer(client, ada.email, code), 400, "invalid_otp")


def test_a_code_depends_on_the_deployments_secret(client: httpx.Client, ada: Person, postman: Postman) -> None:
    ask(client, ada.email)
    challenge = postman.challenge(ada.email, Purpose.SIGN_IN)
    secrets = {Challenges(f"{SECRET}{n}").secret(challenge) for n in range(20)}
    assert len(secrets) > 15, "the database alone gives the code away"
