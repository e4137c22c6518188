"""A ticket opens one socket within half a minute, at whichever process, and tells nobody whose it is."""

from collections.abc import Iterator

import pytest
from redis import Redis
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from common.revocation import revoked_key
from common.testing.signing import SignedUser, Signer
from common.testing.sisters import FakeSister
from realtime.main import build
from realtime.settings import RealtimeSettings

PATH = "/api/realtime/ticket/"

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def ada(signer: Signer) -> SignedUser:
    return signer.user()


@pytest.fixture
def without_redis(settings: RealtimeSettings, auth: FakeSister) -> Iterator[TestClient]:
    """A process whose Redis is away; whether a session goes on it asks of auth."""
    alone = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0", "auth_url": auth.url})
    with TestClient(build(alone)) as client:
        yield client


def _ticket(client: TestClient, user: SignedUser) -> str:
    answer = client.post(PATH, headers=user.headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ticket"])


def _opens(client: TestClient, query: str, **headers: str) -> int:
    """0 for a socket that was opened, else its close code."""
    with client.websocket_connect(f"/ws/echo/?{query}", headers=headers) as socket:
        socket.send_json({"message": "hello"})
        try:
            assert socket.receive_json() == {"message": "Echo: hello"}
        except WebSocketDisconnect as closed:
            return closed.code
    return 0


def test_a_stranger_gets_none(client: TestClient) -> None:
    assert client.post(PATH).status_code == 401
    assert client.post(PATH, headers={"Authorization": "Bearer x"}).status_code == 401


def test_it_opens_one_socket_and_no_other(client: TestClient, ada: SignedUser) -> None:
    ticket = _ticket(client, ada)
    assert _opens(client, f"ticket={ticket}") == 0
    assert _opens(client, f"ticket={ticket}") == 4401


def test_it_is_told_with_its_life_and_kept_by_no_cache(client: TestClient, ada: SignedUser, store: Redis) -> None:
    before = set(store.keys("realtime:ticket:*"))
    answer = client.post(PATH, headers=ada.headers)
    assert (answer.json()["expires_in"], answer.headers["cache-control"]) == (30, "no-store")
    (key,) = set(store.keys("realtime:ticket:*")) - before
    assert 0 < store.ttl(key) <= 30


def test_it_opens_a_socket_at_another_process(client: TestClient, settings: RealtimeSettings, ada: SignedUser) -> None:
    with TestClient(build(settings)) as other:
        assert _opens(other, f"ticket={_ticket(client, ada)}") == 0


def test_whoever_reads_redis_has_neither_ticket_nor_token(client: TestClient, ada: SignedUser, store: Redis) -> None:
    ticket = _ticket(client, ada)
    for key in store.keys("realtime:ticket:*"):
        kept = key + (store.get(key) or b"")
        assert ticket.encode() not in kept
        assert ada.token.encode() not in kept


@pytest.mark.parametrize("ticket", ["", "x", "%00", "x" * 65, "%ED%A0%80"])
def test_what_is_no_ticket_opens_nothing(client: TestClient, ticket: str) -> None:
    assert _opens(client, f"ticket={ticket}") == 4401


def test_it_opens_nothing_once_the_session_has_ended(client: TestClient, ada: SignedUser, store: Redis) -> None:
    ticket = _ticket(client, ada)
    store.set(revoked_key(ada.session), "1", ex=60)
    assert _opens(client, f"ticket={ticket}") == 4401


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_in_the_address_is_refused_however_good_it_is(client: TestClient, ada: SignedUser, name: str) -> None:
    assert _opens(client, f"{name}={ada.token}") == 4401
    assert _opens(client, f"{name}={ada.token}", **ada.headers) == 4401
    assert _opens(client, f"ticket={ada.token}") == 4401


def test_one_way_to_sign_in_is_enough(client: TestClient, ada: SignedUser) -> None:
    first, second = _ticket(client, ada), _ticket(client, ada)
    assert _opens(client, f"ticket={first}", **ada.headers) == 4401
    assert _opens(client, f"ticket={first}&ticket={second}") == 4401
    assert _opens(client, f"ticket={second}") == 0


def test_without_redis_there_are_none_for_now(without_redis: TestClient, ada: SignedUser) -> None:
    answer = without_redis.post(PATH, headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "tickets_unavailable")
    assert answer.headers["retry-after"]
    assert _opens(without_redis, "ticket=x") == 1013


def test_an_address_holds_only_so_many_sockets_open(settings: RealtimeSettings) -> None:
    narrow = settings.model_copy(update={"sockets_per_address": 2})
    with TestClient(build(narrow)) as client:
        with client.websocket_connect("/ws/echo/"), client.websocket_connect("/ws/products/") as last:
            last.receive_json()
            assert _opens(client, "") == 4429
        assert _opens(client, "") == 0
