"""Opening an account."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from auth import registering
from auth.challenges import Challenges
from auth.models import User, compared
from auth.passwords import Passwords
from auth.schemas import Registration
from common.database import Sessions
from common.errors import Conflict
from common.testing.broker import Broker

from .conftest import PASSWORD, SECRET, form

PATH = "/api/auth/register/"
VIEW = {"id", "username", "email", "first_name", "last_name", "phone_number"}
VIEW |= {"email_verified", "role", "is_active", "created_at"}


def test_a_taken_name_or_address_is_refused_without_saying_which(client: httpx.Client) -> None:
    first = form()
    assert client.post(PATH, json=first).status_code == 201
    by_name = client.post(PATH, json=form(username=first["username"]))
    by_address = client.post(PATH, json=form(email=first["email"]))
    assert by_name.status_code == by_address.status_code == 409
    assert by_name.headers["content-type"] == "application/problem+json"
    assert by_name.json()["code"] == by_address.json()["code"] == "already_registered"
    assert by_name.json()["detail"] == by_address.json()["detail"]


def test_case_and_compatible_letters_do_not_make_another_account(client: httpx.Client) -> None:
    first = form()
    assert client.post(PATH, json=first).status_code == 201
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in first["username"])
    for name in (first["username"].upper(), wide):
        assert client.post(PATH, json=form(username=name)).status_code == 409
    street = form(username=f"straße-{first['username'][4:20]}")
    assert client.post(PATH, json=street).status_code == 201
    assert client.post(PATH, json=form(username=street["username"].upper())).status_code == 409
    assert client.post(PATH, json=form(email=first["email"].upper())).status_code == 409


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "   "}, "username"),
        ({"username": "a" * 151}, "username"),
        ({"username": "ﷺ" * 20}, "username"),
        ({"username": "ada@example.com"}, "username"),
        ({"username": "ada\u200b"}, "username"),
        ({"username": "ada\x00"}, "username"),
        ({"username": 7}, "username"),
        ({"username": None}, "username"),
        ({"username": ["ada"]}, "username"),
        ({"email": "not an address"}, "email"),
        ({"email": "ada@"}, "email"),
        ({"email": "ada\n@example.com"}, "email"),
        ({"email": f"{'a' * 65}@example.com"}, "email"),
        ({"email": f"ada@{'a.' * 130}com"}, "email"),
        ({"email": True}, "email"),
        ({"password": "seven77"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "sunshine"}, "password"),
        ({"password": 12345678}, "password"),
        ({"password2": "another one entirely"}, "password2"),
        ({"first_name": "Ada\r\nBcc: all@example.com"}, "first_name"),
        ({"phone_number": "call me"}, "phone_number"),
        ({"role": "admin"}, "role"),
        ({"is_active": False}, "is_active"),
        ({"id": "0"}, "id"),
    ],
)
def test_what_cannot_be_is_refused_by_field(client: httpx.Client, changed: dict[str, Any], field: str) -> None:
    answer = client.post(PATH, json=form(**changed))
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.json()["errors"]
    assert PASSWORD not in answer.text


def test_half_a_letter_is_refused(client: httpx.Client) -> None:
    body = json.dumps(form(first_name="\ud800")).encode()
    assert client.post(PATH, content=body, headers={"Content-Type": "application/json"}).status_code == 400


def test_ones_own_name_is_no_password(client: httpx.Client) -> None:
    name = form()["username"]
    for changed in (
        {"username": name, "password": name.upper()},
        {"first_name": "Wilhelmina", "password": "wilhelmina"},
    ):
        answer = client.post(PATH, json=form(**changed))
        assert answer.status_code == 400
        assert answer.json()["code"] == "weak_password"


@pytest.mark.parametrize("missing", ["username", "email", "password"])
def test_what_is_needed_must_be_there(client: httpx.Client, missing: str) -> None:
    sent = form()
    del sent[missing]
    answer = client.post(PATH, json=sent)
    assert answer.status_code == 400
    assert missing in answer.json()["errors"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"username": NaN}'])
@pytest.mark.parametrize("path", [PATH, "/api/auth/login/", "/api/auth/refresh/"])
def test_a_body_that_is_none_is_refused(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_huge_body_is_refused_before_it_is_read(client: httpx.Client) -> None:
    assert client.post(PATH, json=form(password="x" * 300_000)).status_code == 413


def test_the_account_is_shown_without_its_password(client: httpx.Client) -> None:
    sent = form(password2=PASSWORD, first_name="Ada", last_name="Lovelace", phone_number="+44 20 7946 0000")
    answer = client.post(PATH, json=sent)
    assert answer.status_code == 201
    shown = answer.json()
    assert set(shown) == VIEW
    assert UUID(shown["id"]).version == 7
    assert (shown["username"], shown["email"]) == (sent["username"], sent["email"])
    assert (shown["role"], shown["is_active"], shown["phone_number"]) == ("user", True, "+44 20 7946 0000")
    assert shown["created_at"].endswith("Z")


def test_the_path_without_its_slash_is_the_same(client: httpx.Client) -> None:
    assert client.post("/api/auth/register", json=form()).status_code == 201


def test_spaces_around_a_name_go_and_those_of_a_password_stay(client: httpx.Client) -> None:
    sent = form(password="  spaces around  ")
    answer = client.post(PATH, json=sent | {"username": f"  {sent['username']} "})
    assert answer.json()["username"] == sent["username"]
    trimmed = {"username": sent["username"], "password": "spaces around"}
    assert client.post("/api/auth/login/", json=trimmed | {"password": "  spaces around  "}).status_code == 200
    assert client.post("/api/auth/login/", json=trimmed).status_code == 401


def test_a_new_account_is_said(client: httpx.Client, broker: Broker) -> None:
    tap = broker.tap("user.registered")
    user = client.post(PATH, json=form(first_name="Ada")).json()
    while (event := broker.take(tap, 1)[0])["subject"] != user["id"]:
        continue  # events of earlier tests may still be on their way
    assert (event["type"], event["source"], event["sequence"]) == ("user.registered", "/services/auth", 1)
    assert UUID(event["data"].pop("challenge_id")).version == 7
    assert event["data"] == {
        "user_id": user["id"],
        "version": 1,
        "username": user["username"],
        "email": user["email"],
        "first_name": "Ada",
        "last_name": "",
        "role": "user",
        "is_active": True,
    }


def test_a_hundred_registrations_at_once_make_one_account(client: httpx.Client, sessions: Sessions) -> None:
    sent = form()
    names = [sent["username"], sent["username"].upper()]
    with ThreadPoolExecutor(100) as crowd:
        bodies = [sent | {"username": names[n % 2]} for n in range(100)]
        codes = list(crowd.map(lambda body: client.post(PATH, json=body).status_code, bodies))
    assert sorted(codes) == [201] + [409] * 99
    with sessions.begin() as session:
        same = select(func.count()).where(User.username_key == compared(sent["username"]))
        assert session.scalar(same) == 1


def test_registrations_that_all_found_the_name_free_make_one_account(sessions: Sessions) -> None:
    found_free = Barrier(8)

    class Held(Passwords):
        def __init__(self) -> None:
            """Hash nothing: wait for the others instead."""

        def hash(self, password: str) -> str:
            found_free.wait(10)
            return "x"

    def register(wanted: Registration) -> str:
        try:
            return str(registering.register(sessions, Held(), Challenges(SECRET), wanted).id)
        except Conflict as refused:
            return refused.problem_code

    with ThreadPoolExecutor(8) as crowd:
        outcomes = list(crowd.map(register, [Registration(**form())] * 8))
    assert outcomes.count("already_registered") == 7
