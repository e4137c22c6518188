"""Going on with a session."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import httpx
import jwt
import pytest
from redis import Redis
from sqlalchemy import func, select, update

from auth.grants import digest
from auth.models import RefreshToken, User, UserSession
from common.clock import now
from common.database import Sessions
from common.revocation import revoked_key

from .conftest import Person

PATH = "/api/auth/refresh/"


def renew(client: httpx.Client, token: str, agent: str = "a browser") -> httpx.Response:
    return client.post(PATH, json={"refresh_token": token}, headers={"User-Agent": agent})


def code(answer: httpx.Response) -> str:
    assert answer.status_code == 401, answer.text
    return str(answer.json()["code"])


def age(sessions: Sessions, token: str, **columns: timedelta) -> None:
    """Move these times of a token into the past."""
    with sessions.begin() as session:
        row = session.get_one(RefreshToken, digest(token))
        for name, by in columns.items():
            setattr(row, name, getattr(row, name) - by)


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": 1}, {"refresh_token": "x" * 4097}])
def test_what_cannot_be_a_token_is_refused(client: httpx.Client, body: dict[str, object]) -> None:
    assert client.post(PATH, json=body).status_code == 400


@pytest.mark.parametrize("token", ["x", "ä\x00", "x" * 4096])
def test_an_unknown_token_is_refused(client: httpx.Client, token: str) -> None:
    assert code(renew(client, token)) == "invalid_refresh"


def test_an_access_token_is_not_a_refresh_token(client: httpx.Client, ada: Person) -> None:
    assert code(renew(client, ada.access_token)) == "invalid_refresh"


def test_an_expired_token_is_refused(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    age(sessions, ada.refresh_token, expires_at=timedelta(days=30, seconds=1))
    assert code(renew(client, ada.refresh_token)) == "invalid_refresh"


def test_no_session_outlives_ninety_days_however_busy(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    def move_beginning(by: timedelta) -> datetime:
        with sessions.begin() as session:
            family = session.get_one(UserSession, session.get_one(RefreshToken, digest(ada.refresh_token)).session_id)
            family.created_at -= by
            return family.created_at

    begun = move_beginning(timedelta(days=89, hours=23, minutes=55))
    last = renew(client, ada.refresh_token).json()
    assert 0 < last["expires_in"] <= 300
    claims = jwt.decode(last["access_token"], options={"verify_signature": False})
    assert claims["exp"] <= (begun + timedelta(days=90)).timestamp()
    with sessions.begin() as session:
        kept = session.get_one(RefreshToken, digest(last["refresh_token"]))
        ends = {kept.expires_at, session.get_one(UserSession, kept.session_id).expires_at}
    assert ends == {begun + timedelta(days=90)}
    move_beginning(timedelta(minutes=6))
    assert code(renew(client, last["refresh_token"])) == "invalid_refresh"
    assert ada.log_in().access_token


def test_the_token_of_a_session_that_was_left_is_refused(client: httpx.Client, ada: Person) -> None:
    client.post("/api/auth/logout/", headers=ada.headers)
    assert code(renew(client, ada.refresh_token)) == "invalid_refresh"


def test_the_token_of_a_disabled_account_is_refused(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(update(User).where(User.username == ada.form["username"]).values(is_active=False))
    assert code(renew(client, ada.refresh_token)) == "invalid_refresh"


def test_a_new_pair_goes_on_with_the_session(client: httpx.Client, ada: Person) -> None:
    answer = renew(client, ada.refresh_token)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    pair = answer.json()
    assert list(pair) == ["access_token", "refresh_token", "token_type", "expires_in"]
    assert pair["refresh_token"] != ada.refresh_token
    assert pair["access_token"] != ada.access_token
    seen = client.get("/api/auth/me/", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert seen.json() == ada.user
    assert renew(client, pair["refresh_token"]).status_code == 200


def test_a_changed_role_is_in_the_next_token(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(update(User).where(User.username == ada.form["username"]).values(role="admin"))
    pair = renew(client, ada.refresh_token).json()
    seen = client.get("/api/auth/me/", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert seen.json()["role"] == "admin"


def test_only_the_hash_of_a_token_is_kept(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    with sessions.begin() as session:
        rows = session.scalars(select(RefreshToken)).all()
        assert digest(ada.refresh_token) in {row.hash for row in rows}
        assert ada.refresh_token.encode() not in {row.hash for row in rows}


def test_an_old_token_ends_the_whole_family(
    client: httpx.Client, ada: Person, sessions: Sessions, redis: "Redis"
) -> None:
    second = renew(client, ada.refresh_token).json()
    third = renew(client, second["refresh_token"]).json()
    assert code(renew(client, ada.refresh_token)) == "refresh_reused"
    with sessions.begin() as session:
        family = session.get_one(RefreshToken, digest(ada.refresh_token)).session_id
    assert redis.exists(revoked_key(family))
    assert code(renew(client, third["refresh_token"])) == "invalid_refresh"
    for token in (ada.access_token, second["access_token"], third["access_token"]):
        seen = client.get("/api/auth/me/", headers={"Authorization": f"Bearer {token}"})
        assert code(seen) == "session_ended"


def test_other_sessions_of_the_user_go_on(client: httpx.Client, ada: Person) -> None:
    other = ada.log_in()
    renew(client, ada.refresh_token)
    renew(client, ada.refresh_token)
    assert code(renew(client, ada.refresh_token)) == "refresh_reused"
    assert renew(client, other.refresh_token).status_code == 200


def test_a_lost_answer_is_given_once_more_to_the_same_client(client: httpx.Client, ada: Person) -> None:
    lost = renew(client, ada.refresh_token).json()
    again = renew(client, ada.refresh_token)
    assert again.status_code == 200
    assert again.json()["refresh_token"] == lost["refresh_token"]
    assert renew(client, lost["refresh_token"]).status_code == 200


def test_a_second_repeat_is_a_reuse(client: httpx.Client, ada: Person) -> None:
    successor = renew(client, ada.refresh_token).json()["refresh_token"]
    assert renew(client, ada.refresh_token).status_code == 200
    assert code(renew(client, ada.refresh_token)) == "refresh_reused"
    assert code(renew(client, successor)) == "invalid_refresh"


def test_a_repeat_from_another_client_is_a_reuse(client: httpx.Client, ada: Person) -> None:
    renew(client, ada.refresh_token)
    assert code(renew(client, ada.refresh_token, agent="a thief")) == "refresh_reused"


def test_a_late_repeat_is_a_reuse(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    renew(client, ada.refresh_token)
    age(sessions, ada.refresh_token, used_at=timedelta(seconds=11))
    assert code(renew(client, ada.refresh_token)) == "refresh_reused"


@pytest.mark.parametrize("same_client", [True, False])
def test_twenty_uses_at_once_have_one_successor(
    client: httpx.Client, ada: Person, sessions: Sessions, same_client: bool
) -> None:
    start = Barrier(20)

    def use(n: int) -> httpx.Response:
        start.wait()
        return renew(client, ada.refresh_token, agent="a browser" if same_client else f"browser {n}")

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(use, range(20)))
    good = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
    assert len(good) == (2 if same_client else 1)
    assert len(set(good)) == 1
    assert {code(answer) for answer in answers if answer.status_code != 200} == {"refresh_reused"}
    with sessions.begin() as session:
        family = session.get_one(RefreshToken, digest(ada.refresh_token)).session_id
        tokens = session.scalar(select(func.count()).where(RefreshToken.session_id == family))
        ended = session.get_one(UserSession, family)
    assert tokens == 2
    assert ended.revoked_at is not None
    assert ended.revoked_at <= now()
    assert code(renew(client, good[0])) == "invalid_refresh"
