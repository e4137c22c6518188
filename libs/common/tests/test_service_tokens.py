"""The service tokens' tests: a sister's own, present token opens the door, and nothing else does."""

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import Unauthorized
from common.service_tokens import LIFE_S, RENEW_S, TYPE, Badge, Sisters, new_service_key
from common.testing.badges import Badges
from common.testing.signing import Signer

pytestmark = pytest.mark.unit


@pytest.fixture
def door(badges: Badges) -> Sisters:
    """What stands before the internal routes of toys."""
    return Sisters("toys", badges.public("games", "shop"))


def refused(door: Sisters, token: str) -> bool:
    with pytest.raises(Unauthorized) as problem:
        door.caller(token)
    assert token not in problem.value.detail or not token
    return True


def test_a_sister_is_known_by_her_name(door: Sisters, badges: Badges) -> None:
    for _ in range(2):
        assert door.caller(badges.badge("games").sign("toys")) == "games"
    assert door.caller(badges.headers("shop", to="toys")["Authorization"].removeprefix("Bearer ")) == "shop"


def test_a_service_without_a_key_shows_nothing() -> None:
    assert Badge("games").headers("toys") == {}


def test_a_token_is_shown_again_until_it_is_about_to_expire(badges: Badges, monkeypatch: pytest.MonkeyPatch) -> None:
    badge = badges.badge("games")
    first = badge.headers("toys")
    assert badge.headers("toys") == first
    assert badge.headers("shop") != first, "the audience is another"
    later = time.time() + LIFE_S - RENEW_S + 1
    monkeypatch.setattr("common.service_tokens.time.time", lambda: later)
    assert badge.headers("toys") != first


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "shop"},
        {"aud": ["toys", "shop"]},
        {"aud": None},
        {"iss": "shop"},
        {"iss": "stranger"},
        {"exp": int(time.time()) - 10},
        {"exp": "9999999999"},
        {"exp": None},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"jti": None},
    ],
)
def test_a_token_that_claims_something_else_is_refused(door: Sisters, badges: Badges, changed: dict[str, Any]) -> None:
    assert refused(door, badges.badge("games").sign("toys", **changed))


def test_one_service_cannot_pass_for_another(door: Sisters, badges: Badges) -> None:
    key = Ed25519PrivateKey.generate()
    claims = jwt.decode(badges.badge("games").sign("toys"), options={"verify_signature": False})
    for name in ("games", "shop", "toys", "stranger", "../games"):
        forged = jwt.encode(claims | {"iss": name}, key, algorithm="EdDSA", headers={"kid": name, "typ": TYPE})
        assert refused(door, forged)
    assert refused(door, Badge("shop", badges.key("games")).sign("toys"))
    assert refused(door, Badge("stranger", new_service_key()).sign("toys"))


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": None}, {"crit": ["x"], "x": 1}, {"kid": ""}])
def test_another_kind_of_token_is_refused(door: Sisters, header: dict[str, Any]) -> None:
    private = Ed25519PrivateKey.generate()
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key()))["x"]
    own = Sisters("toys", f"games={public}")
    moment = int(time.time())
    claims = {"iss": "games", "aud": "toys", "iat": moment, "exp": moment + 60, "jti": "1"}
    good = {"kid": "games", "typ": TYPE}
    assert own.caller(jwt.encode(claims, private, algorithm="EdDSA", headers=good)) == "games"
    assert refused(own, jwt.encode(claims, private, algorithm="EdDSA", headers=good | header))


def test_weaker_algorithms_are_refused(door: Sisters, badges: Badges) -> None:
    claims = jwt.decode(badges.badge("games").sign("toys"), options={"verify_signature": False})
    headers = {"kid": "games", "typ": TYPE}
    public = badges.public("games").partition("=")[2]
    assert refused(door, jwt.encode(claims, None, algorithm="none", headers=headers))
    assert refused(door, jwt.encode(claims, public.ljust(32), algorithm="HS256", headers=headers))


def test_a_users_token_is_refused(door: Sisters, signer: Signer) -> None:
    assert refused(door, signer.admin().token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "e30.e30.", "x" * 100_000, "\udcff.a.b"])
def test_what_is_no_token_is_refused(door: Sisters, token: str) -> None:
    assert refused(door, token)


def test_a_token_that_was_good_is_not_good_for_ever(
    door: Sisters, badges: Badges, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = badges.badge("games").sign("toys")
    assert door.caller(token) == "games"
    later = time.time() + LIFE_S + 30
    monkeypatch.setattr("common.service_tokens.time.time", lambda: later)
    short = badges.badge("games").sign("toys", exp=int(later) - LIFE_S - 60)
    assert refused(door, short)
