"""How conversations end."""

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from realtime import following, wire
from realtime.main import build
from realtime.queries import Log
from realtime.settings import RealtimeSettings


class Noted:
    """What is said to the log."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, event: str) -> None:
        self.said.append(event)


def _unreadable(_: Log) -> None:
    raise ConnectionError("gone")


def test_who_comes_too_early_is_not_held_for_one_that_is_too_slow(
    settings: RealtimeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = Noted()
    monkeypatch.setattr(wire, "log", noted)
    monkeypatch.setattr(following, "READY_S", 0.0)
    monkeypatch.setattr(Log, "board", _unreadable)
    with TestClient(build(settings)) as client:
        with client.websocket_connect("/ws/products/") as socket, pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1013
    assert noted.said == []
