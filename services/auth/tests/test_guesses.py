"""The login throttle: each wrong password costs patience, of whoever it is and whatever name was tried."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from auth import guessing
from auth.models import Guesses, Purpose, User
from common.clock import now
from common.database import Sessions
from common.errors import TooMany

from .conftest import Person, Postman, form, from_address, refused

PATH = "/api/auth/login/"
HERE = "127.0.0.1"


def try_password(client: httpx.Client, name: str, password: str = "wrong", number: int | None = None) -> httpx.Response:
    field = "email" if "@" in name else "username"
    headers = {} if number is None else from_address(number)
    return client.post(PATH, json={field: name, "password": password}, headers=headers)


def wait_out(sessions: Sessions, *words: str) -> None:
    """Let the time pass that a door is shut."""
    with sessions.begin() as session:
        shut = update(Guesses).where(Guesses.door == guessing.door(*words))
        session.execute(shut.values(shut_until=now() - timedelta(seconds=1)))


def wait_of(sessions: Sessions, *words: str) -> int:
    """Whole seconds that a door was shut for when it was last touched."""
    with sessions.begin() as session:
        row = session.get_one(Guesses, guessing.door(*words))
        return round((row.shut_until - row.updated_at).total_seconds())


def counted(sessions: Sessions, *words: str) -> int:
    with sessions.begin() as session:
        return session.scalar(select(Guesses.failures).where(Guesses.door == guessing.door(*words))) or 0


@pytest.fixture(params=["an account", "nobody"])
def name(request: pytest.FixtureRequest, ada: Person) -> Iterator[tuple[str, str]]:
    """A name to sign in with, and how its account is known; all must go alike for one that does not exist."""
    if request.param == "an account":
        yield ada.form["username"], ada.id
    else:
        username = str(form()["username"])
        yield username, username


def test_each_failure_doubles_the_wait_up_to_an_hour(
    client: httpx.Client, name: tuple[str, str], sessions: Sessions
) -> None:
    username, account = name
    waits = []
    for _ in range(14):
        refused(try_password(client, username), 401, "invalid_credentials")
        waits.append(wait_of(sessions, "pair", account, HERE))
        wait_out(sessions, "pair", account, HERE)
    assert waits == [min(2**n, 3600) for n in range(14)]
    refused(try_password(client, username), 401, "invalid_credentials")
    early = try_password(client, username)
    refused(early, 429, "too_many_attempts")
    assert 3500 < int(early.headers["retry-after"]) <= 3600


def test_while_one_waits_even_the_right_password_is_not_looked_at(client: httpx.Client, ada: Person) -> None:
    try_password(client, ada.form["username"])
    refused(try_password(client, ada.form["username"], ada.password), 429, "too_many_attempts")


def test_a_success_is_the_end_of_it(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    for _ in range(3):
        try_password(client, ada.form["username"])
        wait_out(sessions, "pair", ada.id, HERE)
    assert try_password(client, ada.form["username"], ada.password).status_code == 200
    assert counted(sessions, "pair", ada.id, HERE) == counted(sessions, "account", ada.id) == 0
    refused(try_password(client, ada.form["username"]), 401, "invalid_credentials")
    assert try_password(client, ada.form["username"]).headers["retry-after"] == "1"


def test_name_and_address_are_one_account(client: httpx.Client, ada: Person) -> None:
    try_password(client, ada.form["username"])
    for name in (ada.email, ada.email.upper(), ada.form["username"].upper()):
        refused(try_password(client, name, ada.password), 429, "too_many_attempts")


def test_somebody_elses_failures_do_not_keep_the_owner_out(client: httpx.Client, ada: Person) -> None:
    for number in range(5):
        refused(try_password(client, ada.form["username"], number=number), 401, "invalid_credentials")
        refused(try_password(client, ada.form["username"], number=number), 429, "too_many_attempts")
    assert try_password(client, ada.form["username"], ada.password, number=99).status_code == 200


@pytest.mark.parametrize(
    ("ip", "counted_as"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_ipv6_customer_is_one_client(ip: str, counted_as: str) -> None:
    assert guessing.network(ip) == counted_as


def test_another_address_of_the_same_ipv6_customer_waits_too(client: httpx.Client, ada: Person) -> None:
    def ask(ip: str, password: str) -> httpx.Response:
        body = {"username": ada.form["username"], "password": password}
        return client.post(PATH, json=body, headers={"X-Forwarded-For": ip})

    refused(ask("2001:db8:1:2::1", "wrong"), 401, "invalid_credentials")
    refused(ask("2001:db8:1:2:ffff::9", ada.password), 429, "too_many_attempts")
    assert ask("2001:db8:1:3::1", ada.password).status_code == 200


def test_fifty_guesses_at_once_count_fifty(client: httpx.Client, name: tuple[str, str], sessions: Sessions) -> None:
    username, account = name
    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda n: try_password(client, username, number=n).status_code, range(50)))
    assert Counter(answers) == {401: 50}
    assert counted(sessions, "account", account) == 50


def test_fifty_guesses_at_once_from_one_address_are_a_few(client: httpx.Client, ada: Person) -> None:
    with ThreadPoolExecutor(50) as crowd:
        answers = Counter(crowd.map(lambda _: try_password(client, ada.form["username"]).status_code, range(50)))
    assert answers.keys() == {401, 429}
    assert answers[401] <= 4, "no more than are hashed at once, in a second or two"


def test_many_right_sign_ins_at_once_are_all_let_in(client: httpx.Client, ada: Person) -> None:
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: try_password(client, ada.form["username"], ada.password), range(20)))
    assert {answer.status_code for answer in answers} == {200}


def test_after_a_hundred_failures_only_a_code_helps(
    client: httpx.Client, ada: Person, sessions: Sessions, postman: Postman
) -> None:
    name = ada.form["username"]
    with ThreadPoolExecutor(20) as crowd:
        answers = Counter(crowd.map(lambda n: try_password(client, name, number=n).status_code, range(120)))
    assert answers == {401: 100, 429: 20}
    shut = try_password(client, name, ada.password, number=500)
    refused(shut, 429, "account_locked")
    assert 86_000 < int(shut.headers["retry-after"]) <= 86_400
    client.post("/api/auth/request-otp/", json={"email": ada.email})
    code = {"email": ada.email, "otp": postman.secret(ada.email, Purpose.SIGN_IN)}
    assert client.post("/api/auth/verify-otp/", json=code).status_code == 200
    assert try_password(client, name, ada.password, number=500).status_code == 200


def test_a_day_later_one_may_try_again(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    with sessions.begin() as session:
        whole = guessing.lock(session, guessing.door("account", ada.id))
        whole.failures = 100
    refused(try_password(client, ada.form["username"], ada.password), 429, "account_locked")
    with sessions.begin() as session:
        whole = guessing.lock(session, guessing.door("account", ada.id))
        whole.since = now() - timedelta(days=1, seconds=1)
    assert try_password(client, ada.form["username"], ada.password).status_code == 200


def test_a_password_that_nobody_looked_at_forgives_nothing(ada: Person, sessions: Sessions) -> None:
    try_password(ada.client, ada.form["username"])
    for unread in ({"first_name": "Ada"}, {"username": ada.form["username"]}):
        assert ada.ask("PATCH", "me/", unread | {"current_password": "guessed"}).status_code == 200
    assert counted(sessions, "account", ada.id) == 1


def test_a_right_password_is_no_failure_even_if_what_it_was_sent_for_is_refused(
    ada: Person, ben: Person, sessions: Sessions
) -> None:
    taken = {"username": ben.form["username"], "current_password": ada.password}
    for _ in range(3):
        refused(ada.ask("PATCH", "me/", taken), 409, "already_registered")
    with sessions.begin() as session:
        session.execute(update(User).where(User.email == ben.email).values(is_active=False))
    refused(try_password(ben.client, ben.email, ben.password), 403, "account_disabled")
    assert counted(sessions, "account", ada.id) == counted(sessions, "account", ben.id) == 0


def test_what_is_refused_changes_no_count(sessions: Sessions) -> None:
    guessing.admit(sessions, "somebody", HERE)
    guessing.fail(sessions, "somebody", HERE)
    for _ in range(3):
        with pytest.raises(TooMany):
            guessing.admit(sessions, "somebody", HERE)
    assert counted(sessions, "pair", "somebody", HERE) == counted(sessions, "account", "somebody") == 1
