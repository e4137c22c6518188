"""Messages written straight to a client, over a real web server."""

from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from common.testing.waiting import eventually
from realtime.listener import text_frame
from realtime.straight import AT_ONCE, straight_to

from .serving import serving

LENGTHS = [0, 125, 126, 65_535, 65_536]
"""Where a frame's length is written in another way (RFC 6455, 5.2)."""


class Door:
    """A socket that says nothing by itself; every client's own way past it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.app.add_api_websocket_route("/", self._meet)
        self.written: list[int] = []

    async def _meet(self, websocket: WebSocket) -> None:
        await websocket.accept()
        write = straight_to(websocket)
        async for text in websocket.iter_text():
            self.written.append(write([text_frame(line.encode()) for line in text.split("\n")]))
        self.written.append(write([text_frame(b"after the end")]))


@pytest.fixture
def door() -> Door:
    return Door()


def _client(port: int, **more: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/", proxy=None, max_size=None, ping_interval=None, **more)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_message_of_any_length_comes_as_it_is(door: Door, length: int) -> None:
    text = "ä" * (length // 2) + "x" * (length % 2)
    with serving(door.app) as port, _client(port) as client:
        client.send(text)
        assert client.recv(timeout=20) == text
    assert door.written == [1, 0]


def test_messages_that_leave_together_come_one_by_one_and_in_order(door: Door) -> None:
    texts = [str(number) for number in range(AT_ONCE * 2 + 1)]
    with serving(door.app) as port, _client(port) as client:
        client.send("\n".join(texts))
        assert [client.recv(timeout=20) for _ in texts] == texts
    assert door.written == [len(texts), 0]


def test_a_client_that_reads_nothing_takes_a_few_and_no_more(door: Door) -> None:
    """What it has not taken is not piled up for it."""
    with serving(door.app) as port, _client(port, max_queue=1) as client:
        for _ in range(400):  # 24 MB, more than the kernel holds for it
            client.send("x" * 60_000)
        eventually(lambda: 0 in door.written)


def test_nothing_is_written_past_a_server_that_compresses(door: Door) -> None:
    with serving(door.app, compressed=True) as port, _client(port) as client:
        client.send("one")
        client.close()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=20)
    assert door.written == [0, 0]
