"""The sold counts as server-sent events, from a real web server."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from common.database import Sessions
from common.events.orders import OrderPlaced
from common.testing.broker import Broker
from common.testing.waiting import eventually
from realtime.models import Sold
from realtime.settings import RealtimeSettings

from .serving import listeners, served

PATH = "/api/realtime/products/stream/"

Placed = Callable[[dict[int, int]], OrderPlaced]


@dataclass(frozen=True)
class Said:
    """An event as a browser understands it."""

    id: str | None
    event: str
    data: dict[str, Any]


def _events(lines: Iterator[str]) -> Iterator[Said]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield Said(fields.get("id"), fields["event"], json.loads(fields["data"]))
            fields = {}


@contextmanager
def listening(port: int, last: str | None = None, **query: Any) -> Iterator[Iterator[Said]]:
    """What a browser is told, event by event."""
    shown = {} if last is None else {"Last-Event-ID": last}
    url = f"http://127.0.0.1:{port}{PATH}"
    with httpx.stream("GET", url, params=query, headers=shown, timeout=20, trust_env=False) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer.iter_lines())


@pytest.fixture
def port(settings: RealtimeSettings) -> Iterator[int]:
    with served(settings) as port:
        yield port


def test_whoever_listens_is_greeted_told_all_counts_and_then_each_new_one(
    port: int, broker: Broker, product: int, placed: Placed
) -> None:
    with listening(port) as told:
        hello, counts = next(told), next(told)
        assert (hello.event, hello.data["heartbeat_s"]) == ("hello", 15)
        assert (counts.event, counts.data["seq"]) == ("sold_counts", hello.data["seq"])
        for sold in (1, 2):
            broker.tell(placed({product: 1}))
            update = next(told)
            assert (update.event, update.data["product_id"], update.data["sold_count"]) == (
                *("product_update", product),
                sold,
            )
            assert update.id == f"{hello.data['stream']}:{hello.data['seq'] + sold}"


def test_whoever_names_products_hears_of_these_only(port: int, broker: Broker, product: int, placed: Placed) -> None:
    other = product * 1000
    with listening(port, ids=str(product)) as told:
        next(told)
        assert next(told).data["data"] == [{"id": product, "sold_count": 0}]
        broker.tell(placed({other: 1}))
        broker.tell(placed({product: 3}))
        assert next(told).data["product_id"] == product


def test_whoever_was_cut_off_is_told_what_was_missed(port: int, broker: Broker, product: int, placed: Placed) -> None:
    with listening(port) as told:
        assert next(told).id is None, "so that whoever is cut off here misses nothing either"
        last = next(told).id
    assert last is not None
    for sold in (1, 2, 3):
        _sell_one(broker, port, placed, product, sold)
    with listening(port, last) as told:
        assert next(told).event == "hello"
        seq = int(last.rpartition(":")[2])
        missed = [next(told) for _ in range(3)]
        assert [each.data["sold_count"] for each in missed] == [1, 2, 3]
        assert [each.data["seq"] for each in missed] == [seq + 1, seq + 2, seq + 3]


def _sell_one(broker: Broker, port: int, placed: Placed, product: int, sold: int) -> None:
    """Sell one more, once those before are counted: what comes together makes one message."""
    broker.tell(placed({product: 1}))
    eventually(lambda: _sold(port, product) == sold)


def _sold(port: int, product: int) -> int:
    url = f"http://127.0.0.1:{port}/api/realtime/products/?ids={product}"
    answer = httpx.get(url, trust_env=False)
    assert answer.status_code == 200
    sold: int = answer.json()["data"][0]["sold_count"]
    return sold


@pytest.mark.parametrize("last", ["", "x", "another-stream:1", ":", "x:-1", "x:" + "9" * 40])
def test_whoever_shows_a_number_that_nobody_gave_is_told_everything_anew(port: int, last: str) -> None:
    with listening(port, last) as told:
        assert next(told).event == "hello"
        again = next(told)
        assert (again.event, again.data["reset"]) == ("sold_counts", True)


def test_bad_ids_and_bad_tokens_are_refused_before_anything_is_told(port: int) -> None:
    url = f"http://127.0.0.1:{port}{PATH}"
    for query, shown, status in (("?ids=x", {}, 400), ("?id=1", {}, 400), ("", {"Authorization": "Bearer x"}, 401)):
        answer = httpx.get(url + query, headers=shown, trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_whoever_leaves_is_forgotten(port: int) -> None:
    with listening(port) as told:
        next(told)
        assert listeners(port) == 1
    eventually(lambda: listeners(port) == 0)


def test_whoever_does_not_read_holds_up_nobody_and_is_let_go(
    settings: RealtimeSettings, sessions: Sessions, broker: Broker, product: int, placed: Placed
) -> None:
    with sessions.begin() as session:
        rows = [{"product_id": product * 1_000_000 + i, "sold": 1} for i in range(100_000)]
        session.execute(insert(Sold), rows)
    with served(settings) as port, closing(socket.socket()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(f"GET {PATH} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        _read_until(deaf, b'"hello"')
        with listening(port, ids=str(product)) as told:
            assert (next(told).event, next(told).event) == ("hello", "sold_counts")
            sold = 0
            while listeners(port) > 1:
                sold += 1
                broker.tell(placed({product: 1}))
                assert next(told).data["sold_count"] == sold


def _read_until(client: socket.socket, word: bytes) -> None:
    seen = b""
    while word not in seen:
        seen += client.recv(64)
        assert seen
