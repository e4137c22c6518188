"""The stream as a real web server sends it: clients that do not read, two processes, a Redis that is gone."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import redis
from sqlalchemy import insert
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from common.database import Sessions
from common.events.orders import OrderPlaced
from common.testing.broker import Broker
from common.testing.waiting import eventually
from realtime import following
from realtime.hints import CHANNEL
from realtime.models import Sold
from realtime.settings import RealtimeSettings

from .serving import listeners, served

Placed = Callable[[dict[int, int]], OrderPlaced]
Message = dict[str, Any]

TCP_CLOSE = 7
"""A state of the kernel's TCP_INFO (linux/tcp_states.h)."""
HANDSHAKE = (
    b"GET /ws/products/ HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
def port(settings: RealtimeSettings) -> Iterator[int]:
    with served(settings) as port:
        yield port


def _listen(port: int, **more: Any) -> ClientConnection:
    client: ClientConnection = connect(f"ws://127.0.0.1:{port}/ws/products/", proxy=None, ping_interval=None, **more)
    return client


def _next(client: ClientConnection) -> Message:
    message: Message = json.loads(client.recv(timeout=10))
    return message


def _push(client: ClientConnection, product: int) -> Message:
    while (message := _next(client)).get("product_id") != product:
        pass
    return message


@pytest.fixture
def crowded(settings: RealtimeSettings, sessions: Sessions, product: int) -> Iterator[int]:
    """A server whose whole snapshot is larger than what fits between it and a client in a few answers."""
    with sessions.begin() as session:
        rows = [{"product_id": product * 10_000 + i, "sold": 1} for i in range(9000)]
        session.execute(insert(Sold), rows)
    with served(settings) as port:
        yield port


def _deaf(port: int) -> socket.socket:
    """A client that asks a lot and, once it is connected, never reads."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(HANDSHAKE)
    assert deaf.recv(12) == b"HTTP/1.1 101"
    ask = json.dumps({"action": "get_sold_counts"}).encode()
    deaf.sendall(200 * (bytes([0x81, 0x80 | len(ask), 0, 0, 0, 0]) + ask))  # masked text frames (RFC 6455, 5.2)
    return deaf


def _close_code(client: ClientConnection) -> int | None:
    """With which code the server ends the conversation, whatever it says before."""
    try:
        while True:
            client.recv(timeout=10)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def _is_cut(client: socket.socket) -> bool:
    """Whether the connection is over, although nothing has been read from it."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE


def test_a_client_that_does_not_read_holds_up_nobody_and_is_cut_off(
    crowded: int, broker: Broker, product: int, placed: Placed
) -> None:
    with closing(_deaf(crowded)) as deaf, _listen(crowded) as healthy:
        _next(healthy)
        sold = 0
        while not _is_cut(deaf):
            sold += 1
            broker.tell(placed({product: 1}))
            assert _push(healthy, product)["sold_count"] == sold
        eventually(lambda: listeners(crowded) == 1)


def test_a_slow_client_that_reads_on_in_time_learns_that_it_was_too_slow(crowded: int) -> None:
    with _listen(crowded, max_queue=1, max_size=None) as slow:
        _next(slow)
        for _ in range(100):
            slow.send(json.dumps({"action": "get_sold_counts"}))
        eventually(lambda: listeners(crowded) == 0)
        assert _close_code(slow) == 1013


def test_a_frame_over_64_kib_is_closed_with_1009(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/ws/echo/", proxy=None, max_size=None) as client:
        word = "x" * (65536 - len('{"message":""}'))
        client.send(json.dumps({"message": word}, separators=(",", ":")))
        assert _next(client) == {"message": f"Echo: {word}"}
        client.send("x" * 65537)
        assert _close_code(client) == 1009


def test_a_client_that_vanishes_is_forgotten(port: int, broker: Broker, product: int, placed: Placed) -> None:
    with _listen(port) as healthy:
        _next(healthy)
        with closing(socket.socket()) as vanishing:
            vanishing.connect(("127.0.0.1", port))
            vanishing.sendall(HANDSHAKE)
            eventually(lambda: listeners(port) == 2)
            vanishing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
        broker.tell(placed({product: 1}))
        _push(healthy, product)
        eventually(lambda: listeners(port) == 1)


def test_after_a_restart_a_client_resumes_where_it_left_off(
    settings: RealtimeSettings, broker: Broker, product: int, placed: Placed
) -> None:
    with ExitStack() as ended:
        with served(settings) as port:
            client = ended.enter_context(_listen(port))
            hello = _next(client)
        assert _close_code(client) == 1012
    broker.tell(placed({product: 2}))
    with served(settings) as port, _listen(port) as client:
        again = _next(client)
        assert again["stream"] == hello["stream"]
        client.send(json.dumps({"action": "resume", "stream": hello["stream"], "last_seq": hello["seq"]}))
        missed = _push(client, product)
        assert (missed["seq"], missed["sold_count"]) == (hello["seq"] + 1, 2)


def test_two_processes_tell_the_same_at_once(
    settings: RealtimeSettings, broker: Broker, product: int, placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 60)  # a hint must do it
    before = _hearers(settings.redis_url)
    with served(settings) as one, served(settings) as other, _listen(one) as first, _listen(other) as second:
        assert _next(first)["stream"] == _next(second)["stream"]
        eventually(lambda: _hearers(settings.redis_url) == before + 2)
        for _ in range(4):
            _both_hear(first, second, broker, product, placed)


def test_a_process_tells_at_once_what_it_has_counted_itself(
    settings: RealtimeSettings, broker: Broker, product: int, placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 60)
    alone = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with served(alone) as port, _listen(port) as client:
        _next(client)
        for sold in range(1, 4):
            broker.tell(placed({product: 1}))
            assert _push(client, product)["sold_count"] == sold


def _hearers(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return int(client.pubsub_numsub(CHANNEL)[0][1])


def test_without_redis_two_processes_still_tell_the_same(
    settings: RealtimeSettings, broker: Broker, product: int, placed: Placed
) -> None:
    alone = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with served(alone) as one, served(alone) as other, _listen(one) as first, _listen(other) as second:
        assert _next(first)["stream"] == _next(second)["stream"]
        for _ in range(4):
            _both_hear(first, second, broker, product, placed)


def _both_hear(first: ClientConnection, second: ClientConnection, broker: Broker, product: int, placed: Placed) -> None:
    broker.tell(placed({product: 1}))
    assert _push(first, product) == _push(second, product)
