"""Counts built anew beside a running service are exact, whatever is said before, meanwhile and later."""

import itertools
import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from common.database import LostRace, Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import Signer
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually
from realtime import rebuilding
from realtime.clients import Orders
from realtime.commands import main
from realtime.models import COUNTS, OrderState, Sold, SoldIn, Stream
from realtime.noting import note_standing
from realtime.ranking import read_ranking
from realtime.rebuilding import rebuild_counts
from realtime.settings import RealtimeSettings
from realtime.usecases import take_turn

from .bookkeeping import Books
from .purchase import Purchase

pytestmark = pytest.mark.usefixtures("store")

_markers = itertools.count(10**12)
"""Products that nobody else sells."""


def _shown(client: TestClient, products: Sequence[int]) -> dict[int, int]:
    ids = ",".join(map(str, products))
    data: list[dict[str, Any]] = client.get(f"/api/realtime/products/?ids={ids}").json()["data"]
    return {count["id"]: count["sold_count"] for count in data}


def _all_is_heard(client: TestClient, broker: Broker) -> None:
    """Return once whatever was said before has been taken in."""
    marker = next(_markers)
    broker.tell(Purchase(new_id(), {marker: 1}).placed())
    eventually(lambda: _shown(client, [marker]) == {marker: 1})


def _rebuild(client: TestClient, sessions: Sessions, orders: Orders) -> int:
    """Build everything anew, and wait until the process tells of that and no longer of what was before."""
    count = rebuild_counts(sessions, orders)
    with sessions.begin() as session:
        stream = str(session.scalar(select(Stream.name).where(Stream.id == COUNTS)))
    eventually(lambda: client.get("/api/realtime/products/?ids=1").json()["stream"] == stream)
    return count


def _spoil(sessions: Sessions) -> None:
    """Whatever has befallen the counts, between two batches."""
    with sessions.begin() as session:
        take_turn(session)
        session.execute(update(Sold).values(sold=Sold.sold + 1000))
        session.execute(delete(SoldIn))


def test_counts_that_were_spoilt_are_right_again(
    client: TestClient, sessions: Sessions, books: Books, orders: Orders, product: int
) -> None:
    placed = [books.place(Purchase(new_id(), {product: 2, product * 1000: 1})) for _ in range(5)]
    books.cancel(placed[1])
    books.say()
    eventually(lambda: _shown(client, [product]) == {product: 8})
    _spoil(sessions)
    assert _rebuild(client, sessions, orders) == 5
    assert _shown(client, [product, product * 1000]) == {product: 8, product * 1000: 4}
    assert [tuple(best) for best in read_ranking(sessions, "1h").best] == [(product, 8), (product * 1000, 4)]


def test_what_was_never_heard_is_counted_and_not_again_when_it_is_heard_at_last(
    client: TestClient, sessions: Sessions, broker: Broker, books: Books, orders: Orders, product: int
) -> None:
    first, second = (books.place(Purchase(new_id(), {product: 3})) for _ in range(2))
    books.cancel(second)
    _rebuild(client, sessions, orders)
    assert _shown(client, [product]) == {product: 3}
    books.say(times=2)
    _all_is_heard(client, broker)
    assert _shown(client, [product]) == {product: 3}
    books.cancel(first)
    books.say()
    eventually(lambda: _shown(client, [product]) == {product: 0})


def test_what_is_heard_while_the_pages_are_read_counts_once(
    client: TestClient, sessions: Sessions, broker: Broker, books: Books, orders: Orders, product: int
) -> None:
    """Before its page, after its page, and of an order that no page can hold any more."""
    old = [books.place(Purchase(new_id(), {product: 1})) for _ in range(4)]
    late = Purchase(new_id(), {product: 50}, id=UUID(int=old[0].id.int - 1))
    books.say()
    _all_is_heard(client, broker)

    def change(after: UUID | None) -> None:
        if after == old[1].id:
            books.cancel(old[0])  # its page has been read
            books.cancel(old[3])  # its page comes next
            books.place(late)  # the pages are past its place
            books.say()
            _all_is_heard(client, broker)

    books.before_page = change
    _rebuild(client, sessions, orders)
    assert _shown(client, [product]) == {product: 52}


def test_what_happens_right_after_a_page_was_read_is_not_lost(
    client: TestClient, sessions: Sessions, broker: Broker, books: Books, orders: Orders, product: int
) -> None:
    old = [books.place(Purchase(new_id(), {product: 1})) for _ in range(2)]
    books.say()
    _all_is_heard(client, broker)

    def change(after: UUID | None) -> None:
        if after is None:
            books.cancel(old[0])  # the answer, which does not know of it, is still on its way
            books.say()
            _all_is_heard(client, broker)

    books.after_page = change
    _rebuild(client, sessions, orders)
    assert _shown(client, [product]) == {product: 1}


def test_what_was_heard_meanwhile_counts_once_however_often_the_end_is_tried(
    client: TestClient,
    sessions: Sessions,
    broker: Broker,
    books: Books,
    orders: Orders,
    product: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = books.place(Purchase(new_id(), {product: 1}))
    late = Purchase(new_id(), {product: 50}, id=UUID(int=old.id.int - 1))
    conflicts = iter([LostRace()])

    def place_late(after: UUID | None) -> None:
        if after == old.id:
            books.place(late)  # the pages are past its place
            books.say()
            _all_is_heard(client, broker)

    def note(session: Session, generation: UUID) -> None:
        for conflict in conflicts:
            raise conflict
        note_standing(session, generation)

    books.before_page = place_late
    monkeypatch.setattr(rebuilding, "note_standing", note)
    _rebuild(client, sessions, orders)
    assert _shown(client, [product]) == {product: 51}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_while_people_order_and_cancel_the_counts_are_exact(
    client: TestClient, sessions: Sessions, broker: Broker, books: Books, orders: Orders, product: int, seed: int
) -> None:
    chance = random.Random(seed)
    products = [product * 1000 + i for i in range(4)]
    over = threading.Event()

    def trade() -> None:
        open_orders: list[Purchase] = []
        while not over.is_set():
            lines = {one: chance.randint(1, 5) for one in chance.sample(products, 2)}
            open_orders.append(books.place(Purchase(new_id(), lines)))
            chance.shuffle(open_orders)
            if chance.random() < 0.4:
                books.cancel(open_orders.pop())
            if chance.random() < 0.3:
                books.move(open_orders[-1], "processing")
            books.say(0.6, chance, times=chance.choice([1, 1, 2]))

    for _ in range(6):
        books.place(Purchase(new_id(), dict.fromkeys(products, 1)))
    books.say(0.5, chance)
    _spoil(sessions)
    trading = threading.Thread(target=trade)
    trading.start()
    try:
        for _ in range(3):
            rebuild_counts(sessions, orders)
    finally:
        over.set()
        trading.join()
    books.say()
    _all_is_heard(client, broker)
    assert _shown(client, products) == books.sold(products)
    with sessions.begin() as session:
        kept = dict(session.execute(select(Sold.product_id, Sold.sold).where(Sold.product_id.in_(products))).all())
    assert kept == books.sold(products)
    ranked = {best.product_id: best.sold for best in read_ranking(sessions, "1h").best}
    assert {one: ranked.get(one, 0) for one in products} == books.sold(products)


def test_who_listens_begins_anew_with_a_reset(
    client: TestClient, sessions: Sessions, books: Books, orders: Orders, signer: Signer, product: int
) -> None:
    ada = signer.user()
    books.place(Purchase(ada.id, {product: 2}))
    for path, snapshot in (("/ws/products/", "sold_counts"), ("/ws/orders/", "orders")):
        with client.websocket_connect(path, headers=ada.headers) as socket:
            hello = socket.receive_json()
            rebuild_counts(sessions, orders)
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_json()
            assert closed.value.code == 1012
        with client.websocket_connect(path, headers=ada.headers) as socket:
            assert socket.receive_json()["stream"] != hello["stream"]
            socket.send_json({"action": "resume", "stream": hello["stream"], "last_seq": hello["seq"]})
            reset = socket.receive_json()
            assert (reset["type"], reset["reset"]) == (snapshot, True)
            assert len(reset["data"]) > 0


def test_where_orders_stand_is_known_again(
    client: TestClient, sessions: Sessions, broker: Broker, books: Books, orders: Orders, signer: Signer, product: int
) -> None:
    ada = signer.user()
    order = books.place(Purchase(ada.id, {product: 1}))
    books.say()
    books.move(order, "processing")
    _all_is_heard(client, broker)
    with sessions.begin() as session:
        session.execute(delete(OrderState))
    rebuild_counts(sessions, orders)

    def told() -> Any:
        with (
            suppress(WebSocketDisconnect),  # as long as the process has not begun anew
            client.websocket_connect("/ws/orders/", headers=ada.headers) as socket,
        ):
            socket.receive_json()
            socket.send_json({"action": "get_orders"})
            return socket.receive_json()["data"]
        return []

    eventually(lambda: [it["status"] for it in told()] == ["processing"])


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, settings: RealtimeSettings, sister: FakeSister) -> None:
    """The variables of the command, with orders of its own."""
    for name in ("database_url", "broker_url", "redis_url"):
        monkeypatch.setenv(f"STOA_{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("STOA_ORDERS_URL", sister.url)


@pytest.mark.usefixtures("environment")
def test_the_command_says_how_many_orders_there_were(
    books: Books, product: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        books.place(Purchase(new_id(), {product: 1}))
    assert main(["rebuild"]) == 0
    assert "3 orders counted" in capsys.readouterr().out.splitlines(), "the process beside it logs what it sees, too"


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("answer", [(500, {}), (200, {"orders": [{"id": "x"}]}), (200, [])])
def test_orders_that_do_not_answer_leave_the_counts_as_they_are(
    sessions: Sessions, sister: FakeSister, product: int, capsys: pytest.CaptureFixture[str], answer: tuple[int, Any]
) -> None:
    with sessions.begin() as session:
        session.add(Sold(product_id=product, sold=7))
    sister.answer("GET", "/internal/orders/", lambda *_: answer)
    assert main(["rebuild"]) == 1
    assert "orders" in capsys.readouterr().err
    with sessions.begin() as session:
        assert session.get_one(Sold, product).sold == 7


@pytest.mark.unit
def test_a_word_that_is_no_command_is_explained() -> None:
    with pytest.raises(SystemExit):
        main(["rebuilt"])
