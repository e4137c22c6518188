"""Who comes in at a socket of signed-in users, and who has to leave it again."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from redis import Redis
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket, WebSocketDisconnect

from common.revocation import revoked_key
from common.testing.signing import SignedUser, Signer
from common.tokens import LEEWAY_S, Tokens, User
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
    "origin",
    [
        *("https://evil.example", "null", "", f"ftp://{HOST}", f"https://{HOST}.evil.example", f"https://{HOST}/"),
        *("http://[", "http://", "https://]", "//", HOST),
    ],
)
def test_a_page_of_another_origin_opens_nothing_whoever_looks_at_it(
    client: TestClient, ada: SignedUser, origin: str
) -> None:
    assert _refusal(client, Origin=origin, **ada.headers) == 4403


@pytest.mark.parametrize(
    "origin", [f"https://{HOST}", f"http://{HOST}", f"HTTPS://{HOST.upper()}", SHOP, "https://OTHER.example:8443"]
)
def test_our_own_pages_and_named_ones_may(client: TestClient, ada: SignedUser, origin: str) -> None:
    with _inside(client, Origin=origin, **ada.headers):
        pass


def test_who_names_no_host_has_no_pages_of_its_own(client: TestClient, ada: SignedUser) -> None:
    assert _refusal(client, Origin="http://", Host="", **ada.headers) == 4403


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


def test_a_crowd_is_not_looked_at_all_at_once(
    client: TestClient, signer: Signer, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else questions would be refused for being too many, and whose session has ended would stay."""
    asked, at_once = Tokens.user, [0, 0]

    async def watched(tokens: Tokens, token: str) -> User:
        at_once[0] += 1
        at_once[1] = max(at_once)
        try:
            return await asked(tokens, token)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(entrance, "WATCHED_AT_ONCE", 2)
    crowd = [signer.user() for _ in range(5)]
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(_inside(client, **user.headers)) for user in crowd]
        monkeypatch.setattr(Tokens, "user", watched)
        for user in crowd:
            store.set(revoked_key(user.session), "1", ex=60)
        assert [_code(socket) for socket in sockets] == [4401] * len(crowd)
    assert at_once[1] == 2


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3:3:4:5:6", "2001:db8:1:3::"),
        ("/run/realtime.sock", "/run/realtime.sock"),
        ("", ""),
    ],
)
def test_an_address_is_that_of_a_customer(host: str, whose: str) -> None:
    websocket = WebSocket({"type": "websocket", "client": (host, 1), "headers": []}, _nothing, _nothing)
    assert entrance._address(websocket) == whose


def test_what_has_no_address_is_one_customer() -> None:
    assert entrance._address(WebSocket({"type": "websocket", "headers": []}, _nothing, _nothing)) == ""


async def _nothing(*_: Any) -> Any:
    """Nothing is said and nothing heard."""


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
