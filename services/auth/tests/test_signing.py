"""Signing keys: made once, kept sealed, several in force at once."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import httpx
import jwt
import pytest
from sqlalchemy import select, update

from auth.models import SigningKey
from auth.signing import OwnKeys, Signing
from common.clock import now
from common.database import Sessions, new_engine, new_sessions
from common.errors import Conflict, Unauthorized, Unavailable

from .conftest import FOLDER, SECRET

PATH = "/api/auth/jwks.json"


@pytest.fixture
def keyless(new_schema: Callable[[Path], str]) -> Iterator[Sessions]:
    """A schema in which no key has been made yet."""
    engine = new_engine(new_schema(FOLDER))
    yield new_sessions(engine)
    engine.dispose()


def signing(sessions: Sessions, secret: str = SECRET) -> Signing:
    return Signing(sessions, secret, 600)


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_the_public_keys_are_published_for_a_minute(client: httpx.Client) -> None:
    answer = client.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=60"
    for key in answer.json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")


def test_replicas_that_start_at_once_share_one_key(keyless: Sessions) -> None:
    replicas, start = [signing(keyless) for _ in range(8)], Barrier(8)

    def first(replica: Signing) -> str:
        start.wait()
        return kid(replica.sign({}))

    with ThreadPoolExecutor(8) as crowd:
        kids = set(crowd.map(first, replicas))
    assert len(kids) == 1
    assert {key["kid"] for key in replicas[0].jwks()["keys"]} == kids
    with keyless.begin() as session:
        assert len(session.scalars(select(SigningKey)).all()) == 1


def test_the_private_key_lies_sealed_in_the_database(keyless: Sessions) -> None:
    bench = signing(keyless)
    token = bench.sign({"sub": "ada"})
    with keyless.begin() as session:
        row = session.scalars(select(SigningKey)).one()
    assert row.private_key.startswith("gAAAA")
    assert jwt.decode(token, jwt.PyJWK(bench.jwks()["keys"][0]), algorithms=["EdDSA"], audience="stoa")["sub"] == "ada"


def test_another_secret_cannot_sign_and_makes_no_key_of_its_own(keyless: Sessions) -> None:
    signing(keyless).reload()
    stranger = signing(keyless, "another-secret-of-the-same-length-0123")
    with pytest.raises(Unavailable, match="STOA_SECRET_KEY"):
        stranger.sign({})
    with keyless.begin() as session:
        assert len(session.scalars(select(SigningKey)).all()) == 1


def test_a_new_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_are_dead(keyless: Sessions) -> None:
    bench = signing(keyless)
    old = kid(bench.sign({}))
    activates_at = bench.rotate()
    assert timedelta(minutes=14) < activates_at - now() <= timedelta(minutes=15)
    assert len(bench.jwks()["keys"]) == 2
    assert kid(bench.sign({})) == old
    _let_pass(keyless, timedelta(minutes=16))
    bench.reload()
    new = kid(bench.sign({}))
    assert new != old
    assert {key["kid"] for key in bench.jwks()["keys"]} == {old, new}
    _let_pass(keyless, timedelta(minutes=26))
    bench.reload()
    assert [key["kid"] for key in bench.jwks()["keys"]] == [new]


def test_of_rotations_at_once_none_breaks_the_signing(keyless: Sessions) -> None:
    replicas, start = [signing(keyless) for _ in range(4)], Barrier(4)
    replicas[0].reload()

    def rotate(replica: Signing) -> bool:
        start.wait()
        try:
            replica.rotate()
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as crowd:
        assert any(crowd.map(rotate, replicas))
    assert kid(signing(keyless).sign({}))


def _let_pass(sessions: Sessions, time: timedelta) -> None:
    """Move the keys' times into the past."""
    with sessions.begin() as session:
        for key in session.scalars(select(SigningKey)):
            retires_at = key.retires_at and key.retires_at - time
            moved = {"activates_at": key.activates_at - time, "retires_at": retires_at}
            session.execute(update(SigningKey).where(SigningKey.kid == key.kid).values(**moved))


def test_compromised_keys_are_withdrawn_at_once_also_those_that_were_about_to_retire(keyless: Sessions) -> None:
    replica, operator = signing(keyless), signing(keyless)
    old = kid(replica.sign({}))
    operator.rotate()
    operator.replace()
    replica.reload()
    assert [key["kid"] for key in replica.jwks()["keys"]] == [kid(replica.sign({}))]
    assert kid(replica.sign({})) != old
    with pytest.raises(Unauthorized):
        asyncio.run(OwnKeys(replica).key(old))
