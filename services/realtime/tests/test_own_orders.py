"""What users hear of their orders, and administrators of everyone's."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer
from common.testing.waiting import eventually
from realtime import noting
from realtime.main import build
from realtime.models import ORDERS, OrderEntry, OrderState, Stream
from realtime.queries import OrderLog
from realtime.settings import RealtimeSettings

from .purchase import Purchase

Message = dict[str, Any]

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def ada(signer: Signer) -> SignedUser:
    return signer.user()


@pytest.fixture
def order(ada: SignedUser, product: int) -> Purchase:
    return Purchase(ada.id, {product: 1})


@contextmanager
def _listening(client: TestClient, user: SignedUser) -> Iterator[tuple[WebSocketTestSession, Message]]:
    with client.websocket_connect("/ws/orders/", headers=user.headers) as socket:
        yield socket, socket.receive_json()


def _ask(socket: WebSocketTestSession, **request: Any) -> Message:
    socket.send_json(request)
    answer: Message = socket.receive_json()
    return answer


def _resume(socket: WebSocketTestSession, hello: Message) -> None:
    socket.send_json({"action": "resume", "stream": hello["stream"], "last_seq": hello["seq"]})


def _step(order: Purchase, status: str, previous: str | None) -> Message:
    """What is said of a step, but for time and number."""
    said = {"type": "order_update", "order_id": str(order.id), "number": order.number}
    return said | {"status": status, "previous": previous}


def _said(socket: WebSocketTestSession) -> Message:
    message = socket.receive_json()
    return {name: value for name, value in message.items() if name not in ("at", "seq", "stream")}


def test_a_user_hears_of_each_step_of_an_order(
    client: TestClient, broker: Broker, ada: SignedUser, order: Purchase
) -> None:
    with _listening(client, ada) as (socket, hello):
        assert (hello["type"], hello["heartbeat_s"]) == ("hello", 20)
        broker.tell(order.placed())
        first = socket.receive_json()
        assert (first["status"], first["previous"], first["seq"]) == ("pending", None, hello["seq"] + 1)
        assert first["stream"] == hello["stream"]
        assert first["at"].endswith("Z")
        broker.tell(order.moved("processing"))
        assert _said(socket) == _step(order, "processing", "pending")
        broker.tell(order.cancelled())
        assert _said(socket) == _step(order, "cancelled", "processing")


def test_nobody_hears_of_anybody_elses_but_an_administrator(
    client: TestClient, broker: Broker, signer: Signer, ada: SignedUser, order: Purchase
) -> None:
    admin, by_code = signer.admin(), signer.user("root", "admin", ("otp",))
    foreign = Purchase(new_id())
    with (
        _listening(client, ada) as (hers, _),
        _listening(client, admin) as (everyones, _),
        _listening(client, by_code) as (nobodys, _),
    ):
        broker.tell(foreign.placed())
        broker.tell(order.placed())
        assert _said(everyones) == _step(foreign, "pending", None)
        assert _said(everyones) == _step(order, "pending", None)
        assert _said(hers) == _step(order, "pending", None)
        assert _ask(nobodys, action="ping") == {"type": "pong"}


def test_what_comes_twice_is_told_once_and_what_comes_late_not_at_all(
    client: TestClient, broker: Broker, ada: SignedUser, order: Purchase
) -> None:
    with _listening(client, ada) as (socket, _):
        placed, processing, shipped = order.placed(), order.moved("processing"), order.moved("shipped")
        broker.tell(placed, times=3)
        assert _said(socket) == _step(order, "pending", None)  # of steps heard together only the last is told
        broker.tell(shipped)
        assert _said(socket) == _step(order, "shipped", "pending")
        broker.tell(processing)
        marker = Purchase(ada.id)
        broker.tell(marker.placed())
        assert _said(socket) == _step(marker, "pending", None)


def test_an_order_that_was_never_placed_and_a_parcel_on_its_way_are_no_steps(
    client: TestClient, broker: Broker, ada: SignedUser, order: Purchase
) -> None:
    given_up = Purchase(ada.id)
    with _listening(client, ada) as (socket, _):
        broker.tell(given_up.cancelled(was_placed=False))
        broker.tell(order.placed())
        assert _said(socket) == _step(order, "pending", None)
        broker.tell(order.moved("pending"))
        broker.tell(order.moved("processing"))
        assert _said(socket) == _step(order, "processing", "pending")


def test_a_step_that_is_heard_before_its_order_is_told_by_its_own_words(
    client: TestClient, broker: Broker, ada: SignedUser, order: Purchase
) -> None:
    placed, cancelled = order.placed(), order.cancelled()
    with _listening(client, ada) as (socket, _):
        broker.tell(cancelled)
        broker.tell(placed)
        assert _said(socket) == _step(order, "cancelled", "pending")
        assert _ask(socket, action="get_orders")["data"][0]["status"] == "cancelled"


def test_who_resumes_gets_its_own_steps_that_it_missed(
    client: TestClient, broker: Broker, ada: SignedUser, order: Purchase, signer: Signer
) -> None:
    with _listening(client, signer.admin()) as (witness, _):
        with _listening(client, ada) as (socket, hello):
            pass
        for event in (order.placed(), Purchase(new_id()).placed(), order.moved("processing")):
            broker.tell(event)
            witness.receive_json()
    with _listening(client, ada) as (socket, _):
        _resume(socket, hello)
        assert _said(socket) == _step(order, "pending", None)
        last = socket.receive_json()
        assert (last["status"], last["seq"]) == ("processing", hello["seq"] + 3)
        _resume(socket, last)
        assert _ask(socket, action="ping") == {"type": "pong"}


def test_outside_the_window_the_orders_are_told_as_a_reset(
    client: TestClient, sessions: Sessions, broker: Broker, ada: SignedUser, order: Purchase
) -> None:
    with _listening(client, ada) as (socket, hello):
        for event in (order.placed(), order.moved("processing")):
            broker.tell(event)
            last = socket.receive_json()
        with sessions.begin() as session:
            session.execute(delete(OrderEntry).where(OrderEntry.seq < last["seq"]))
        _resume(socket, hello)
        reset = socket.receive_json()
        assert (reset["type"], reset["reset"], reset["seq"]) == ("orders", True, last["seq"])
        standing = {"order_id": str(order.id), "number": order.number, "status": "processing", "at": last["at"]}
        assert reset["data"] == [standing]


@pytest.mark.parametrize("ahead", [0, 1, 10**12])
def test_another_stream_or_a_number_that_never_was_is_a_reset(client: TestClient, ada: SignedUser, ahead: int) -> None:
    with _listening(client, ada) as (socket, hello):
        stream = hello["stream"] if ahead else str(new_id())
        reset = _ask(socket, action="resume", stream=stream, last_seq=hello["seq"] + ahead)
        assert (reset["type"], reset["reset"], reset["data"]) == ("orders", True, [])


def test_the_newest_orders_are_told_and_no_more_than_a_page_holds(
    client: TestClient, broker: Broker, ada: SignedUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.queries.MOST_STANDING", 2)
    with _listening(client, ada) as (socket, _):
        orders = [Purchase(ada.id) for _ in range(3)]
        for order in orders:
            broker.tell(order.placed())
            socket.receive_json()
        told = _ask(socket, action="get_orders")
        assert [it["order_id"] for it in told["data"]] == [str(order.id) for order in reversed(orders)][:2]
        assert "reset" not in told


def test_what_comes_while_a_snapshot_is_read_is_told_after_it(
    client: TestClient, broker: Broker, ada: SignedUser, order: Purchase, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = OrderLog.standing
    told: list[int] = []

    def slowly(log: OrderLog, owner: Any) -> Any:
        found = read(log, owner)
        if not told:
            told.append(1)
            broker.tell(order.placed())
            eventually(lambda: log.position().seq > found[0])
        return found

    with _listening(client, ada) as (socket, _):
        monkeypatch.setattr(OrderLog, "standing", slowly)
        assert _ask(socket, action="get_orders")["data"] == []
        assert _said(socket) == _step(order, "pending", None)
        assert _ask(socket, action="ping") == {"type": "pong"}


def test_nonsense_is_answered_and_the_connection_stays(client: TestClient, ada: SignedUser) -> None:
    with _listening(client, ada) as (socket, _):
        for text, code in (("{", "invalid_json"), ('{"action": "dance"}', "unknown_action")):
            socket.send_text(text)
            assert socket.receive_json()["code"] == code
        assert _ask(socket, action="auth", token=5)["code"] == "invalid"
        assert _ask(socket, action="ping") == {"type": "pong"}


def test_two_processes_say_the_same_under_the_same_numbers_without_redis(
    settings: RealtimeSettings, broker: Broker, ada: SignedUser
) -> None:
    alone = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with (
        TestClient(build(alone)) as one,
        TestClient(build(alone)) as other,
        _listening(one, ada) as (first, _),
        _listening(other, ada) as (second, _),
    ):
        for _ in range(4):
            broker.tell(Purchase(ada.id).placed())
            assert first.receive_json() == second.receive_json()


def test_a_gap_in_the_log_is_never_passed_over_in_silence(
    client: TestClient, sessions: Sessions, ada: SignedUser
) -> None:
    with _listening(client, ada) as (socket, _):
        with sessions.begin() as session:
            session.execute(update(Stream).where(Stream.id == ORDERS).values(seq=Stream.seq + 3))
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1012


def test_orders_that_have_not_moved_for_long_are_forgotten(
    client: TestClient, sessions: Sessions, broker: Broker, ada: SignedUser, order: Purchase
) -> None:
    with _listening(client, ada) as (socket, _):
        broker.tell(order.placed())
        socket.receive_json()
        with sessions.begin() as session:
            aged = update(OrderState).where(OrderState.order_id == order.id)
            session.execute(aged.values(at=now() - noting.KEPT - timedelta(minutes=1)))
        noting.forget_orders(sessions)
        assert _ask(socket, action="get_orders")["data"] == []
        broker.tell(order.moved("processing"))
        assert _said(socket) == _step(order, "processing", "pending")


def test_what_was_said_of_an_order_before_it_was_forgotten_is_not_told_anew(
    client: TestClient, sessions: Sessions, broker: Broker, ada: SignedUser, order: Purchase
) -> None:
    """Be it that it lay with the dead letters."""
    late = order.placed().model_copy(update={"at": now() - noting.KEPT - timedelta(minutes=1)})
    with _listening(client, ada) as (socket, _):
        broker.tell(late)
        marker = Purchase(ada.id)
        broker.tell(marker.placed())
        assert _said(socket) == _step(marker, "pending", None)
    with sessions.begin() as session:
        assert session.get(OrderState, order.id) is None
