"""How fast a client may speak, on every socket that answers."""

import json

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from common.testing.signing import Signer
from realtime.main import build
from realtime.pace import STALL_S, Pace
from realtime.settings import RealtimeSettings

PATHS = ["/ws/products/", "/ws/echo/", "/ws/orders/", "/ws/imports/00000000-0000-7000-8000-000000000001/"]


def _close_code(socket: WebSocketTestSession) -> int:
    try:
        while True:
            socket.receive_json()
    except WebSocketDisconnect as closed:
        return closed.code


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("path", PATHS)
def test_who_speaks_too_fast_has_to_go(settings: RealtimeSettings, signer: Signer, path: str) -> None:
    slow = settings.model_copy(update={"messages_per_s": 1})
    said = json.dumps({"action": "ping"})
    with (
        TestClient(build(slow)) as client,
        client.websocket_connect(path, headers=signer.admin().headers) as socket,
    ):
        for _ in range(200):
            socket.send_text(said)
        assert _close_code(socket) == 4429


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.unit
def test_who_keeps_the_pace_may_go_on_for_ever_and_through_a_stall() -> None:
    clock = Clock()
    pace = Pace(20, clock)
    for _ in range(1000):
        clock.time += 0.05
        assert pace.keeps()
    clock.time += STALL_S
    assert all(pace.keeps() for _ in range(60))
    assert not pace.keeps()


@pytest.mark.unit
def test_silence_is_saved_for_no_longer_than_a_stall() -> None:
    clock = Clock()
    pace = Pace(20, clock)
    clock.time += 3600
    assert [pace.keeps() for _ in range(61)] == [True] * 60 + [False]


@pytest.mark.unit
def test_without_a_limit_nobody_is_too_fast() -> None:
    pace = Pace(0, Clock())
    assert all(pace.keeps() for _ in range(1000))
