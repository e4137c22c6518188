"""Signing in."""

import httpx
import jwt
import pytest
from sqlalchemy import select, update

from auth.models import User
from auth.passwords import Passwords
from common.database import Sessions

from .conftest import Person, form

PATH = "/api/auth/login/"


@pytest.mark.parametrize("body", [{"username": "nobody"}, {"email": "nobody@example.com"}, {"username": "a@b.example"}])
def test_an_unknown_name_and_a_wrong_password_are_answered_alike(
    client: httpx.Client, ada: Person, body: dict[str, str]
) -> None:
    unknown = client.post(PATH, json=body | {"password": "oranges"})
    wrong = client.post(PATH, json={"username": ada.form["username"], "password": "oranges"})
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.headers["www-authenticate"] == wrong.headers["www-authenticate"] == "Bearer"
    told = [answer.json() | {"request_id": ""} for answer in (unknown, wrong)]
    assert told[0] == told[1]
    assert told[0]["code"] == "invalid_credentials"


def test_a_disabled_account_is_told_so_only_with_its_password(
    client: httpx.Client, ada: Person, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        session.execute(update(User).where(User.username == ada.form["username"]).values(is_active=False))
    body = {"username": ada.form["username"], "password": ada.form["password"]}
    answer = client.post(PATH, json=body)
    assert answer.status_code == 403
    assert answer.json()["code"] == "account_disabled"
    assert client.post(PATH, json=body | {"password": "oranges"}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"password": "oranges"},
        {"username": "ada"},
        {"username": "ada", "email": "ada@example.com", "password": "oranges"},
        {"username": "ada", "password": ""},
        {"username": "ada", "password": 1},
        {"username": {}, "password": "oranges"},
        {"username": "ada", "password": "x" * 129},
        {"username": "ada", "password": "oranges", "role": "admin"},
    ],
)
def test_half_a_sign_in_is_refused(client: httpx.Client, body: dict[str, object]) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_blank_field_beside_the_name_does_no_harm(client: httpx.Client, ada: Person) -> None:
    body = {"username": "", "email": ada.form["email"], "password": ada.form["password"]}
    assert client.post(PATH, json=body).status_code == 200


def test_signing_in_gives_the_pair_and_the_user(client: httpx.Client, ada: Person) -> None:
    answer = client.post(PATH, json={"username": ada.form["username"], "password": ada.form["password"]})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert list(given) == ["message", "access_token", "refresh_token", "token_type", "expires_in", "user"]
    assert (given["token_type"], given["expires_in"]) == ("bearer", 600)
    assert given["user"] == ada.user
    assert len(given["refresh_token"]) == 43


def test_the_name_is_known_in_any_case_and_by_its_address(client: httpx.Client, ada: Person) -> None:
    for name in (
        {"username": ada.form["username"].upper()},
        {"email": ada.form["email"].upper()},
        {"username": ada.form["email"]},
    ):
        assert client.post(PATH, json=name | {"password": ada.form["password"]}).status_code == 200


def test_an_address_with_foreign_letters_is_known_as_it_was_typed(client: httpx.Client) -> None:
    sent = form()
    sent["email"] = f"{sent['username']}@münchen.example"
    assert client.post("/api/auth/register/", json=sent).status_code == 201
    assert client.post(PATH, json={"email": sent["email"], "password": sent["password"]}).status_code == 200


def test_the_access_token_has_the_agreed_claims(ada: Person) -> None:
    header = jwt.get_unverified_header(ada.access_token)
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert header["kid"]
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "role", "amr", "username"}
    assert (claims["sub"], claims["username"], claims["role"]) == (ada.id, ada.form["username"], "user")
    assert claims["amr"] == ["pwd"]
    assert claims["exp"] - claims["iat"] == 600


def test_a_hash_of_older_parameters_is_renewed(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    older = Passwords(time_cost=2, memory_kib=64, parallelism=1).hash(ada.form["password"])
    with sessions.begin() as session:
        session.execute(update(User).where(User.username == ada.form["username"]).values(password_hash=older))
    ada.log_in()
    with sessions.begin() as session:
        kept = session.scalar(select(User.password_hash).where(User.username == ada.form["username"]))
    assert kept is not None
    assert kept.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    ada.log_in()
