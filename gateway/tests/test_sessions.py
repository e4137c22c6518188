"""Signing in and out: one token opens every service, and closes them all at once."""

import base64
import json
from collections.abc import Callable

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .people import PASSWORD, Person, Visitor, ok, problem, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROTECTED = ("/api/auth/me/", "/api/cart/", "/api/orders/", "/api/notifications/", "/api/products/bulk-upload/")
"""One path of each service that has any for signed-in users."""
PERSONAL = PROTECTED[:4]

Newcomer = Callable[[], Person]


def _encoded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _promoted(token: str) -> str:
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | {"role": "admin"}
    return ".".join((header, _encoded(claims), signature))


def _unsigned(token: str) -> str:
    header = jwt.get_unverified_header(token) | {"alg": "none"}
    return f"{_encoded(header)}.{token.split('.')[1]}."


def _signed_by_another(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=jwt.get_unverified_header(token))


def _with_another_end(token: str) -> str:
    return token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBB")


def _cut(token: str) -> str:
    return token.rpartition(".")[0]


FORGERIES = (_promoted, _unsigned, _signed_by_another, _with_another_end, _cut, lambda _: "nonsense", lambda _: "é")


@pytest.mark.parametrize("path", [path for path in PROTECTED if path != "/api/cart/"])
def test_a_stranger_is_told_to_sign_in(stranger: Visitor, path: str) -> None:
    answer = stranger.get(path)
    problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", [*PROTECTED, "/api/products/"])
def test_forged_and_tampered_tokens_open_nothing(stranger: Visitor, ada: Person, path: str) -> None:
    for forge in FORGERIES:
        sent = {"Authorization": f"Bearer {forge(ada.token)}".encode()}
        answer = stranger.http.get(path, headers=sent)  # type: ignore[arg-type]
        problem(answer, 401, "invalid_token")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", PERSONAL)
@pytest.mark.parametrize("scheme", ["Token", "bearer"])
def test_older_clients_may_call_the_scheme_token(stranger: Visitor, ada: Person, path: str, scheme: str) -> None:
    ok(stranger.get(path, headers={"Authorization": f"{scheme} {ada.token}"}))


def test_another_scheme_is_refused(stranger: Visitor) -> None:
    problem(stranger.get("/api/cart/", headers={"Authorization": "Basic YTpi"}), 401)


def test_a_session_lives_from_sign_in_to_sign_out_and_not_a_moment_longer(
    http: httpx.Client, newcomer: Newcomer, ada: Person
) -> None:
    leaver = newcomer()
    elsewhere = sign_in(http, leaver.username)
    assert ok(leaver.get("/api/auth/me/"))["email"] == leaver.email
    for path in PERSONAL:
        ok(leaver.get(path))

    ok(leaver.post("/api/auth/logout/"))
    for path in [*PROTECTED, "/api/products/"]:
        problem(leaver.get(path), 401, "session_ended")
    problem(leaver.post("/api/auth/refresh/", {"refresh_token": leaver.refresh_token}), 401, "invalid_refresh")
    for path in PERSONAL:
        ok(elsewhere.get(path))
        ok(ada.get(path))


def test_signing_out_everywhere_ends_every_session(http: httpx.Client, newcomer: Newcomer) -> None:
    leaver = newcomer()
    elsewhere = sign_in(http, leaver.username)
    ok(leaver.post("/api/auth/logout/", {"all": True}))
    for path in PERSONAL:
        problem(elsewhere.get(path), 401, "session_ended")


def test_a_refresh_token_buys_a_new_pair(stranger: Visitor, newcomer: Newcomer) -> None:
    person = newcomer()
    pair = ok(stranger.post("/api/auth/refresh/", {"refresh_token": person.refresh_token}))
    assert pair["refresh_token"] != person.refresh_token
    assert (
        ok(stranger.get("/api/auth/me/", headers={"Authorization": f"Bearer {pair['access_token']}"}))["id"]
        == person.id
    )


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(stranger: Visitor, ada: Person) -> None:
    wrong = problem(
        stranger.post("/api/auth/login/", {"username": ada.username, "password": "wrong"}), 401, "invalid_credentials"
    )
    unknown = problem(
        stranger.post("/api/auth/login/", {"username": "nobody", "password": PASSWORD}), 401, "invalid_credentials"
    )
    assert wrong["detail"] == unknown["detail"]


def test_a_name_is_taken_once(stranger: Visitor, ada: Person) -> None:
    again = {"username": ada.username, "email": "other@example.com", "password": PASSWORD}
    problem(stranger.post("/api/auth/register/", again), 409, "already_registered")


def test_a_password_is_never_shown(stranger: Visitor, ada: Person) -> None:
    assert "password" not in ada.get("/api/auth/me/").text
    assert "figs" not in stranger.post("/api/auth/register/", {"username": "x", "password": PASSWORD}).text


def test_the_demo_customer_of_the_start_can_sign_in_and_finds_something_to_buy(http: httpx.Client) -> None:
    demo = sign_in(http, "demo", "olive-market-42")
    assert ok(demo.get("/api/products/", params={"in_stock": "true"}))["count"] > 0
