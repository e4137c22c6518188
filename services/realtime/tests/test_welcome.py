"""Whoever sends no token is welcome; a token that is sent must be good, and it must be possible to find that out."""

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from common.testing.signing import Signer
from realtime.main import build
from realtime.settings import RealtimeSettings

SOCKETS = pytest.mark.parametrize("path", ["/ws/products/", "/ws/echo/"])


def closed_with(client: TestClient, path: str, authorization: str) -> int:
    with (
        client.websocket_connect(path, headers={"Authorization": authorization}) as socket,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        socket.receive_json()
    return closed.value.code


@SOCKETS
@pytest.mark.parametrize("sent", ["Bearer x", "Bearer", "Basic eDp5"])
def test_a_socket_is_closed_on_a_token_that_is_not_good(client: TestClient, path: str, sent: str) -> None:
    assert closed_with(client, path, sent) == 4401


@SOCKETS
def test_a_socket_asks_to_come_back_while_no_token_can_be_checked(
    settings: RealtimeSettings, signer: Signer, path: str
) -> None:
    without_auth = settings.model_copy(update={"auth_url": "http://127.0.0.1:1"})
    with TestClient(build(without_auth)) as client:
        assert closed_with(client, path, f"Bearer {signer.user().token}") == 1013


def test_the_snapshot_is_refused_to_a_token_that_is_not_good(client: TestClient) -> None:
    answer = client.get("/api/realtime/products/", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
