"""Signing out, as auth and every other service see it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import jwt
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from auth.settings import AuthSettings
from common.errors import Unauthorized
from common.http import AsyncSister
from common.ids import new_id
from common.revocation import EPOCH, Revocations, revoked_key
from common.testing.badges import Badges
from common.testing.waiting import eventually
from common.tokens import Keys, Tokens, User

from .conftest import Person, serving

PATH = "/api/auth/logout/"
NOWHERE = "http://127.0.0.1:1"

Ask = Callable[..., "User | str"]


def sid(person: Person) -> UUID:
    claims = jwt.decode(person.access_token, options={"verify_signature": False})
    return UUID(claims["sid"])


@pytest.fixture
def another_service(auth_url: str, own_redis_url: str, badges: Badges) -> Ask:
    """What a service that is not auth makes of a token: the user, or why it is refused."""

    badge = badges.badge("catalog")

    async def ask(token: str, asked: str, redis_url: str) -> User | str:
        keys = AsyncSister("auth", auth_url, badge, timeout_s=5)
        sessions = AsyncSister("auth", asked, badge, timeout_s=5)
        redis = AsyncRedis.from_url(redis_url)
        try:
            return await Tokens(Keys(keys), Revocations(redis, sessions)).user(token)
        except Unauthorized as refused:
            return refused.problem_code
        finally:
            await asyncio.gather(keys.close(), sessions.close(), redis.aclose())

    def check(token: str, *, asked: str = auth_url, redis_url: str = own_redis_url) -> User | str:
        return asyncio.run(ask(token, asked, redis_url))

    return check


@pytest.fixture
def cold_redis_url(own_redis_url: str) -> str:
    """A Redis that has been emptied and that auth does not fill again."""
    return own_redis_url.removesuffix("/1") + "/2"


def test_a_stranger_cannot_sign_out(client: httpx.Client) -> None:
    assert client.post(PATH).status_code == 401


@pytest.mark.parametrize("body", [{"all": "yes"}, {"all": 1}, {"all": None}, {"everywhere": True}, []])
def test_a_wrong_wish_is_refused_and_the_session_goes_on(client: httpx.Client, ada: Person, body: object) -> None:
    answer = client.post(PATH, json=body, headers=ada.headers)
    assert answer.status_code == 400
    assert client.get("/api/auth/me/", headers=ada.headers).status_code == 200


def test_a_token_is_good_in_every_service(redis: "Redis", ada: Person, another_service: Ask) -> None:
    eventually(lambda: redis.exists(EPOCH))
    user = another_service(ada.access_token, asked=NOWHERE)
    assert isinstance(user, User)
    assert (str(user.id), user.username, user.role, user.amr) == (ada.id, ada.form["username"], "user", ("pwd",))
    assert user.session == sid(ada)


def test_signing_out_is_seen_at_once_through_redis(
    redis: "Redis", client: httpx.Client, ada: Person, another_service: Ask
) -> None:
    eventually(lambda: redis.exists(EPOCH))
    answer = client.post(PATH, headers=ada.headers)
    assert answer.status_code == 200
    assert list(answer.json()) == ["message"]
    assert another_service(ada.access_token, asked=NOWHERE) == "session_ended"
    assert client.get("/api/auth/me/", headers=ada.headers).json()["code"] == "session_ended"
    assert client.post(PATH, headers=ada.headers).status_code == 401
    assert 600 < redis.ttl(revoked_key(sid(ada))) <= 900


def test_signing_out_is_seen_when_redis_has_been_emptied(
    client: httpx.Client, ada: Person, another_service: Ask, cold_redis_url: str
) -> None:
    assert isinstance(another_service(ada.access_token, redis_url=cold_redis_url), User)
    client.post(PATH, headers=ada.headers)
    assert another_service(ada.access_token, redis_url=cold_redis_url) == "session_ended"


def test_signing_out_is_seen_when_redis_is_away(ada: Person, client: httpx.Client, another_service: Ask) -> None:
    client.post(PATH, headers=ada.headers)
    assert another_service(ada.access_token, redis_url="redis://127.0.0.1:1/0") == "session_ended"


def test_a_replica_without_redis_signs_out_and_another_one_tells_everybody(
    settings: AuthSettings, redis: "Redis", ada: Person, another_service: Ask, badges: Badges
) -> None:
    with serving(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})) as cut_off:
        assert httpx.post(f"{cut_off}{PATH}", headers=ada.headers, trust_env=False).status_code == 200
        shown = badges.headers("catalog", to="auth")
        state = httpx.get(f"{cut_off}/internal/sessions/{sid(ada)}/", headers=shown, trust_env=False)
    assert state.json() == {"active": False}
    eventually(lambda: redis.exists(revoked_key(sid(ada))))
    assert another_service(ada.access_token, asked=NOWHERE) == "session_ended"


def test_only_the_session_that_asks_is_ended(client: httpx.Client, ada: Person) -> None:
    other = ada.log_in()
    client.post(PATH, json={}, headers=ada.headers)
    assert client.get("/api/auth/me/", headers=other.headers).status_code == 200


def test_all_sessions_of_the_user_end_and_nobody_elses(client: httpx.Client, ada: Person, another_service: Ask) -> None:
    others = [ada.log_in(), ada.log_in()]
    answer = client.post(PATH, json={"all": True}, headers=ada.headers)
    assert answer.status_code == 200
    for person in (ada, *others):
        assert another_service(person.access_token) == "session_ended"
    assert client.get("/api/auth/me/", headers=ada.log_in().headers).status_code == 200


def test_twenty_departures_at_once_are_all_answered(client: httpx.Client, ada: Person) -> None:
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: client.post(PATH, headers=ada.headers).status_code, range(20)))
    assert 200 in answers
    assert set(answers) <= {200, 401}
    assert client.get("/api/auth/me/", headers=ada.headers).status_code == 401


def test_sisters_are_told_whether_a_session_goes_on(client: httpx.Client, ada: Person, badges: Badges) -> None:
    def state(session: object) -> httpx.Response:
        return client.get(f"/internal/sessions/{session}/", headers=badges.headers("catalog", to="auth"))

    assert state(sid(ada)).json() == {"active": True}
    assert state(new_id()).json() == {"active": False}
    assert state("no-session").status_code == 404
    client.post(PATH, headers=ada.headers)
    assert state(sid(ada)).json() == {"active": False}
