"""The conversation on a socket."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymysql.err import OperationalError as Lost
from sqlalchemy import delete, update
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from common.database import Sessions
from common.events.orders import OrderPlaced
from common.ids import new_id
from common.testing.broker import Broker
from realtime import following
from realtime.main import build
from realtime.models import LogEntry, Stream
from realtime.queries import Log
from realtime.settings import RealtimeSettings

Placed = Callable[[dict[int, int]], OrderPlaced]
Message = dict[str, Any]


@pytest.fixture
def socket(client: TestClient) -> Iterator[WebSocketTestSession]:
    with client.websocket_connect("/ws/products/") as socket:
        yield socket


def _ask(socket: WebSocketTestSession, **request: Any) -> Message:
    socket.send_json(request)
    answer: Message = socket.receive_json()
    return answer


def _push(socket: WebSocketTestSession, product: int, sold: int) -> Message:
    """The push that brings this product to this count; conflation may have left out what came before."""
    while True:
        message: Message = socket.receive_json()
        if message.get("product_id") == product and message["sold_count"] == sold:
            return message


def test_the_server_greets_with_stream_number_and_heartbeat(socket: WebSocketTestSession) -> None:
    hello = socket.receive_json()
    assert set(hello) == {"type", "stream", "seq", "heartbeat_s"}
    assert (hello["type"], hello["heartbeat_s"]) == ("hello", 20)


def test_a_sale_is_pushed_with_its_number(
    socket: WebSocketTestSession, broker: Broker, product: int, placed: Placed
) -> None:
    hello = socket.receive_json()
    broker.tell(placed({product: 3}))
    push = socket.receive_json()
    assert push == {
        "type": "product_update",
        "product_id": product,
        "sold_count": 3,
        "seq": hello["seq"] + 1,
        "stream": hello["stream"],
    }


def test_the_numbers_only_grow_and_the_counts_are_absolute(
    socket: WebSocketTestSession, broker: Broker, product: int, placed: Placed
) -> None:
    socket.receive_json()
    pushes = []
    for sold in range(1, 6):
        broker.tell(placed({product: 1}))
        pushes.append(_push(socket, product, sold))
    assert [push["seq"] for push in pushes] == sorted({push["seq"] for push in pushes})


def test_the_counts_are_told_in_the_original_names(
    socket: WebSocketTestSession, broker: Broker, product: int, placed: Placed
) -> None:
    socket.receive_json()
    broker.tell(placed({product: 2}))
    push = _push(socket, product, 2)
    counts = _ask(socket, action="get_sold_counts")
    assert (counts["type"], counts["stream"]) == ("sold_counts", push["stream"])
    assert counts["seq"] >= push["seq"]
    assert {"id": product, "sold_count": 2} in counts["data"]
    assert "reset" not in counts


def test_who_subscribes_hears_of_these_products_only(
    socket: WebSocketTestSession, broker: Broker, product: int, placed: Placed
) -> None:
    socket.receive_json()
    other = product * 1000
    assert _ask(socket, action="subscribe", product_ids=[product, product]) == {
        "type": "subscribed",
        "product_ids": [product],
    }
    snapshot = socket.receive_json()
    assert (snapshot["type"], snapshot["data"]) == ("sold_counts", [{"id": product, "sold_count": 0}])
    broker.tell(placed({other: 1}))
    broker.tell(placed({product: 1}))
    push = socket.receive_json()
    assert push["product_id"] == product


def test_who_unsubscribes_hears_of_them_no_longer(
    socket: WebSocketTestSession, broker: Broker, product: int, placed: Placed
) -> None:
    socket.receive_json()
    other = product * 1000
    assert _ask(socket, action="unsubscribe", product_ids=[product])["type"] == "unsubscribed"
    broker.tell(placed({product: 1}))
    broker.tell(placed({other: 1}))
    assert socket.receive_json()["product_id"] == other
    _ask(socket, action="subscribe", product_ids=[product, other])
    socket.receive_json()
    _ask(socket, action="unsubscribe", product_ids=[other])
    broker.tell(placed({other: 1}))
    broker.tell(placed({product: 1}))
    assert socket.receive_json()["product_id"] == product


def test_a_ping_is_answered(socket: WebSocketTestSession) -> None:
    socket.receive_json()
    assert _ask(socket, action="ping") == {"type": "pong"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ('{"action": NaN}', "invalid_json"),
        ("[" * 5000, "invalid_json"),
        ("null", "unknown_action"),
        ("[]", "unknown_action"),
        ("7", "unknown_action"),
        ("{}", "unknown_action"),
        ('{"action": 7}', "unknown_action"),
        ('{"action": ["ping"]}', "unknown_action"),
        ('{"action": "dance"}', "unknown_action"),
        ('{"action": "ping", "more": 1}', "invalid"),
        ('{"action": "subscribe"}', "invalid"),
        ('{"action": "subscribe", "product_ids": []}', "invalid"),
        ('{"action": "subscribe", "product_ids": 1}', "invalid"),
        ('{"action": "subscribe", "product_ids": ["1"]}', "invalid"),
        ('{"action": "subscribe", "product_ids": [true]}', "invalid"),
        ('{"action": "subscribe", "product_ids": [0]}', "invalid"),
        ('{"action": "subscribe", "product_ids": [99999999999999999999]}', "invalid"),
        (json.dumps({"action": "subscribe", "product_ids": list(range(1, 1002))}), "invalid"),
        ('{"action": "resume"}', "invalid"),
        ('{"action": "resume", "stream": "x", "last_seq": -1}', "invalid"),
        ('{"action": "resume", "stream": "x", "last_seq": "1"}', "invalid"),
        ('{"action": "resume", "stream": null, "last_seq": 1}', "invalid"),
    ],
)
def test_what_is_not_understood_is_answered_and_the_connection_stays(
    socket: WebSocketTestSession, text: str, code: str
) -> None:
    socket.receive_json()
    socket.send_text(text)
    error = socket.receive_json()
    assert (error["type"], error["code"]) == ("error", code)
    assert error["detail"]
    assert _ask(socket, action="ping") == {"type": "pong"}


def test_binary_is_answered_and_the_connection_stays(socket: WebSocketTestSession) -> None:
    socket.receive_json()
    socket.send_bytes(b'{"action": "ping"}')
    assert socket.receive_json()["code"] == "not_text"
    assert _ask(socket, action="ping") == {"type": "pong"}


def test_a_client_may_pick_only_so_many_products(socket: WebSocketTestSession) -> None:
    socket.receive_json()
    assert _ask(socket, action="subscribe", product_ids=list(range(1, 1001)))["type"] == "subscribed"
    socket.receive_json()
    assert _ask(socket, action="subscribe", product_ids=[1001])["code"] == "too_many_products"
    assert _ask(socket, action="subscribe", product_ids=[1000])["type"] == "subscribed"


def test_who_resumes_gets_every_message_it_missed(
    client: TestClient, broker: Broker, product: int, placed: Placed
) -> None:
    with client.websocket_connect("/ws/products/") as first:
        hello = first.receive_json()
        for sold in range(1, 4):
            broker.tell(placed({product: 1}))
            _push(first, product, sold)
    with client.websocket_connect("/ws/products/") as second:
        second.receive_json()
        second.send_json({"action": "resume", "stream": hello["stream"], "last_seq": hello["seq"]})
        missed = [second.receive_json() for _ in range(3)]
        assert [message["seq"] - hello["seq"] for message in missed] == [1, 2, 3]
        assert [message["sold_count"] for message in missed] == [1, 2, 3]
        assert {message["type"] for message in missed} == {"product_update"}
        assert _ask(second, action="ping") == {"type": "pong"}


def test_who_resumes_where_it_left_off_gets_nothing_twice(socket: WebSocketTestSession) -> None:
    hello = socket.receive_json()
    socket.send_json({"action": "resume", "stream": hello["stream"], "last_seq": hello["seq"]})
    assert _ask(socket, action="ping") == {"type": "pong"}


def test_a_subscriber_that_resumes_gets_its_own_products_only(
    client: TestClient, broker: Broker, product: int, placed: Placed
) -> None:
    other = product * 1000
    with client.websocket_connect("/ws/products/") as first:
        hello = first.receive_json()
        broker.tell(placed({other: 1}))
        _push(first, other, 1)
        broker.tell(placed({product: 1}))
        _push(first, product, 1)
    with client.websocket_connect("/ws/products/") as second:
        second.receive_json()
        _ask(second, action="subscribe", product_ids=[product])
        second.receive_json()
        missed = _ask(second, action="resume", stream=hello["stream"], last_seq=hello["seq"])
        assert (missed["product_id"], missed["seq"]) == (product, hello["seq"] + 2)


def test_outside_the_window_a_snapshot_says_that_it_is_a_reset(
    client: TestClient, sessions: Sessions, broker: Broker, product: int, placed: Placed
) -> None:
    with client.websocket_connect("/ws/products/") as first:
        hello = first.receive_json()
        for sold in range(1, 4):
            broker.tell(placed({product: 1}))
            _push(first, product, sold)
    with sessions.begin() as session:
        session.execute(delete(LogEntry).where(LogEntry.seq <= hello["seq"] + 1))
    with client.websocket_connect("/ws/products/") as second:
        second.receive_json()
        reset = _ask(second, action="resume", stream=hello["stream"], last_seq=hello["seq"])
        assert (reset["type"], reset["reset"], reset["seq"]) == ("sold_counts", True, hello["seq"] + 3)
        assert {"id": product, "sold_count": 3} in reset["data"]
        missed = _ask(second, action="resume", stream=hello["stream"], last_seq=hello["seq"] + 1)
        assert missed["type"] == "product_update"


@pytest.mark.parametrize("ahead", [0, 1, 10**12])
def test_another_stream_or_a_number_that_never_was_is_a_reset(socket: WebSocketTestSession, ahead: int) -> None:
    hello = socket.receive_json()
    stream = hello["stream"] if ahead else str(new_id())
    reset = _ask(socket, action="resume", stream=stream, last_seq=hello["seq"] + ahead)
    assert (reset["type"], reset["reset"]) == ("sold_counts", True)


def test_a_gap_in_the_log_is_never_passed_over_in_silence(
    client: TestClient, sessions: Sessions, broker: Broker, product: int, placed: Placed
) -> None:
    with client.websocket_connect("/ws/products/") as first:
        hello = first.receive_json()
        with sessions.begin() as session:
            session.execute(update(Stream).values(seq=Stream.seq + 3))
        with pytest.raises(WebSocketDisconnect) as closed:
            first.receive_json()
        assert closed.value.code == 1012
    with client.websocket_connect("/ws/products/") as second:
        assert second.receive_json()["seq"] == hello["seq"] + 3
        assert _ask(second, action="resume", stream=hello["stream"], last_seq=hello["seq"])["reset"] is True
        broker.tell(placed({product: 1}))
        assert _push(second, product, 1)["seq"] == hello["seq"] + 4


def _away(*_: Any) -> None:
    raise OperationalError("SELECT", {}, Lost(2006, "gone"))


def test_who_comes_before_the_counts_are_there_is_told_to_try_later(
    settings: RealtimeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Log, "board", _away)
    monkeypatch.setattr(following, "READY_S", 0.1)
    with TestClient(build(settings)) as client, client.websocket_connect("/ws/products/") as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1013
        answer = client.get("/api/realtime/products/")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_while_the_database_is_away_the_connection_stays(
    socket: WebSocketTestSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello = socket.receive_json()
    monkeypatch.setattr(Log, "log", _away)
    error = _ask(socket, action="resume", stream=hello["stream"], last_seq=hello["seq"] + 1)
    assert (error["type"], error["code"]) == ("error", "unavailable")
    assert _ask(socket, action="get_sold_counts")["type"] == "sold_counts"


def test_an_echo_comes_back(client: TestClient) -> None:
    with client.websocket_connect("/ws/echo/") as socket:
        assert _ask(socket, message="hello")["message"] == "Echo: hello"
        assert _ask(socket, message="")["message"] == "Echo: "
        assert _ask(socket, message=5)["message"] == "Echo: 5"
        assert _ask(socket, message="Ωκεανός 🐬", more=1)["message"] == "Echo: Ωκεανός 🐬"
        socket.send_bytes(b"\x00\xff")
        assert socket.receive_bytes() == b"\x00\xff"


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "5", "null", '"message"', "{}", '{"text": "x"}', "[" * 5000])
def test_what_cannot_be_echoed_is_an_error_and_the_connection_stays(client: TestClient, text: str) -> None:
    with client.websocket_connect("/ws/echo/") as socket:
        socket.send_text(text)
        assert set(socket.receive_json()) == {"error"}
        assert _ask(socket, message="still here") == {"message": "Echo: still here"}
