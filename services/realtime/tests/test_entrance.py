"""Who comes in at a socket of signed-in users, and who has to leave it again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from common.revocation import revoked_key
from common.testing.signing import SignedUser, Signer
from common.tokens import LEEWAY_S
from realtime import entrance
from realtime.main import build
from realtime.settings import RealtimeSettings

PATH = "/ws/orders/"
HOST = "testserver"
SHOP = "https://shop.example"

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def ada(signer: Signer) -> SignedUser:
    return signer.user()


@pytest.fixture(scope="module")
def client(settings: RealtimeSettings) -> Iterator[TestClient]:
    named = settings.model_copy(update={"cors_origins": f"{SHOP}, https://other.example:8443"})
    with TestClient(build(named)) as client:
        yield client


@contextmanager
def _inside(client: TestClient, path: str = PATH, **headers: str) -> Iterator[WebSocketTestSession]:
    """A socket that has been greeted."""
    with client.websocket_connect(path, headers=headers) as socket:
        assert socket.receive_json()["type"] == "hello"
        yield socket


def _code(socket: WebSocketTestSession) -> int:
    """With which code the server ends the conversation."""
    try:
        while True:
            socket.receive_json()
    except WebSocketDisconnect as closed:
        return closed.code


def _refusal(client: TestClient, path: str = PATH, **headers: str) -> int:
    with client.websocket_connect(path, headers=headers) as socket:
        return _code(socket)


def _after(client: TestClient, said: Callable[[WebSocketTestSession], Any]) -> int:
    with client.websocket_connect(PATH) as socket:
        said(socket)
        return _code(socket)


@pytest.mark.parametrize("sent", ["Bearer x", "Bearer", "Basic eDp5"])
def test_a_token_that_is_not_good_opens_nothing(client: TestClient, sent: str) -> None:
    assert _refusal(client, Authorization=sent) == 4401


def test_a_ticket_that_is_not_good_opens_nothing(client: TestClient) -> None:
    assert _refusal(client, f"{PATH}?ticket=x") == 4401


def test_a_token_in_the_address_opens_nothing(client: TestClient, ada: SignedUser) -> None:
    assert _refusal(client, f"{PATH}?token={ada.token}") == 4401


def test_who_says_nothing_is_not_waited_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "FIRST_WORD_S", 0.1)
    assert _refusal(client) == 4401


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"action": "ping"}', '{"action": "auth"}', '{"action": "auth", "token": "x"}']
)
def test_a_first_message_that_does_not_sign_in_is_the_last(client: TestClient, text: str) -> None:
    assert _after(client, lambda socket: socket.send_text(text)) == 4401
    assert _after(client, lambda socket: socket.send_bytes(text.encode())) == 4401


def test_a_token_is_taken_from_the_header_a_ticket_or_the_first_message(client: TestClient, ada: SignedUser) -> None:
    with _inside(client, **ada.headers):
        pass
    ticket = client.post("/api/realtime/ticket/", headers=ada.headers).json()["ticket"]
    with _inside(client, f"{PATH}?ticket={ticket}"):
        pass
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"action": "auth", "token": ada.token})
        assert socket.receive_json()["type"] == "hello"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", f"ftp://{HOST}", f"https://{HOST}.evil.example"]
)
def test_a_page_of_another_origin_opens_nothing_whoever_looks_at_it(
    client: TestClient, ada: SignedUser, origin: str
) -> None:
    assert _refusal(client, Origin=origin, **ada.headers) == 4403


@pytest.mark.parametrize("origin", [f"https://{HOST}", f"http://{HOST}", SHOP, "https://OTHER.example:8443"])
def test_our_own_pages_and_named_ones_may(client: TestClient, ada: SignedUser, origin: str) -> None:
    with _inside(client, Origin=origin, **ada.headers):
        pass


def test_the_public_sockets_are_open_to_every_page(client: TestClient) -> None:
    with _inside(client, "/ws/products/", Origin="https://evil.example"):
        pass


def test_a_user_holds_only_so_many_sockets_open(settings: RealtimeSettings, signer: Signer, ada: SignedUser) -> None:
    narrow = settings.model_copy(update={"sockets_per_user": 1})
    with TestClient(build(narrow)) as client:
        with _inside(client, **ada.headers):
            assert _refusal(client, **ada.headers) == 4429
            with _inside(client, **signer.user().headers):
                pass
        with _inside(client, **ada.headers):
            pass


def test_who_signs_out_is_signed_out_of_the_socket(client: TestClient, ada: SignedUser, store: Redis) -> None:
    with _inside(client, **ada.headers) as socket:
        store.set(revoked_key(ada.session), "1", ex=60)
        assert _code(socket) == 4401


def _nearly_over(signer: Signer, user: SignedUser) -> str:
    """A token of the user that is good for another second or two."""
    claims = {"sub": str(user.id), "sid": str(user.session), "username": user.username, "role": user.role}
    return signer.sign(claims | {"amr": ["pwd"], "exp": int(time.time()) - LEEWAY_S + 2})


def test_a_socket_is_open_no_longer_than_its_token_is_good(client: TestClient, signer: Signer, ada: SignedUser) -> None:
    with _inside(client, Authorization=f"Bearer {_nearly_over(signer, ada)}") as socket:
        assert _code(socket) == 4401


def test_a_newer_token_keeps_it_open(
    client: TestClient, signer: Signer, ada: SignedUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _nearly_over(signer, ada)
    with (
        _inside(client, Authorization=f"Bearer {old}") as socket,
        _inside(client, Authorization=f"Bearer {old}") as other,
    ):
        socket.send_json({"action": "auth", "token": ada.token})
        assert socket.receive_json() == {"type": "signed_in"}
        assert _code(other) == 4401
        socket.send_json({"action": "ping"})
        assert socket.receive_json() == {"type": "pong"}


def test_a_newer_token_must_be_good_and_of_the_same_user(
    client: TestClient, signer: Signer, ada: SignedUser, store: Redis
) -> None:
    with _inside(client, **ada.headers) as socket:
        for token, code in (("x", "invalid_token"), (signer.user().token, "another_user")):
            socket.send_json({"action": "auth", "token": token})
            assert socket.receive_json()["code"] == code
        store.set(revoked_key(ada.session), "1", ex=60)
        assert _code(socket) == 4401


def test_while_no_token_can_be_checked_it_asks_to_come_back(settings: RealtimeSettings, ada: SignedUser) -> None:
    without_auth = settings.model_copy(update={"auth_url": "http://127.0.0.1:1"})
    with TestClient(build(without_auth)) as client:
        assert _refusal(client, **ada.headers) == 1013
