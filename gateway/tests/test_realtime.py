"""The sockets: an echo, sold counts without a gap, one's own orders, and how an upload comes along."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from common.testing.waiting import eventually

from .people import Json, Person, Visitor, all_at_once, new_product, ok
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@contextmanager
def _socket(site: Site, path: str, **headers: str) -> Iterator[ClientConnection]:
    url = f"{site.sockets}{path}"
    with connect(url, proxy=None, open_timeout=PATIENCE_S, additional_headers=headers) as socket:
        yield socket


def _next(socket: ClientConnection) -> Json:
    said: Json = json.loads(socket.recv(timeout=PATIENCE_S))
    return said


def _update(socket: ClientConnection, product: int) -> Json:
    """The next push about this product; others sell as well."""
    while (said := _next(socket)).get("product_id") != product:
        assert said["type"] == "product_update"
    return said


@pytest.mark.parametrize("path", ["/ws/echo/", "/ws/echo"])
def test_the_echo_answers_and_stays_whatever_it_is_told(site: Site, path: str) -> None:
    with _socket(site, path) as socket:
        for bad in ("{", "[]", "{}", '"x"', ""):
            socket.send(bad)
            assert "error" in _next(socket)
        socket.send(json.dumps({"message": "Χαῖρε"}))
        assert _next(socket) == {"message": "Echo: Χαῖρε"}
        socket.send(b"\x00\xff")
        assert socket.recv(timeout=PATIENCE_S) == b"\x00\xff"


def test_whoever_listens_is_greeted_and_told_of_each_sale(site: Site, admin: Person, ada: Person) -> None:
    jar = new_product(admin)
    with _socket(site, "/ws/products/") as socket:
        hello = _next(socket)
        assert (hello["type"], hello["heartbeat_s"]) == ("hello", 20)
        order = ok(ada.order(jar, 2), 201)
        sold = _update(socket, jar)
        assert (sold["sold_count"], sold["stream"]) == (2, hello["stream"])
        assert sold["seq"] > hello["seq"]
        ok(ada.delete(f"/api/orders/{order['id']}/"))
        back = _update(socket, jar)
        assert back["sold_count"] == 0
        assert back["seq"] > sold["seq"]


def test_a_listener_that_was_cut_off_gets_what_it_missed(site: Site, admin: Person, ada: Person, ben: Person) -> None:
    """The greeting tells the newest; with several of realtime another one may be a moment behind what was seen."""
    is_one_of_several = len(site.settings.replicas_of("realtime")) > 1
    jar = new_product(admin)
    with _socket(site, "/ws/products/") as socket:
        hello = _next(socket)
    ok(ada.order(jar), 201)
    with _socket(site, "/ws/products/") as witness:
        _next(witness)
        ok(ben.order(jar, 2), 201)
        while (newest := _update(witness, jar))["sold_count"] != 3:
            continue
    with _socket(site, "/ws/products/") as socket:
        assert _next(socket)["seq"] >= newest["seq"] or is_one_of_several
        socket.send(json.dumps({"action": "resume", "stream": hello["stream"], "last_seq": hello["seq"]}))
        missed = [_update(socket, jar)]
        while missed[-1]["sold_count"] != 3:
            missed.append(_update(socket, jar))
    assert [said["seq"] for said in missed] == sorted({said["seq"] for said in missed})
    assert missed[-1]["seq"] == newest["seq"]


def test_a_listener_of_another_stream_starts_anew_and_is_told_so(site: Site, admin: Person, ada: Person) -> None:
    with _socket(site, "/ws/products/") as socket:
        _next(socket)
        socket.send(json.dumps({"action": "resume", "stream": "elsewhere", "last_seq": 1}))
        while (said := _next(socket))["type"] == "product_update":
            continue
        assert (said["type"], said["reset"]) == ("sold_counts", True)


def test_a_subscriber_hears_of_its_products_only(site: Site, admin: Person, ada: Person) -> None:
    mine, other = new_product(admin), new_product(admin)
    with _socket(site, "/ws/products/") as socket:
        _next(socket)
        socket.send(json.dumps({"action": "subscribe", "product_ids": [mine]}))
        said = [_next(socket)]
        while said[-1]["type"] != "sold_counts":
            said.append(_next(socket))
        assert said[-1]["data"] == [{"id": mine, "sold_count": 0}]
        ok(ada.order(other), 201)
        ok(ada.order(mine), 201)
        assert _next(socket)["product_id"] == mine


def test_nonsense_is_answered_and_the_listener_stays(site: Site) -> None:
    with _socket(site, "/ws/products/") as socket:
        _next(socket)
        for bad in ("{", "[]", '{"action":"dance"}', '{"action":"resume"}'):
            socket.send(bad)
            while (said := _next(socket))["type"] == "product_update":
                continue
            assert said["type"] == "error"
        socket.send('{"action":"ping"}')
        while (said := _next(socket))["type"] == "product_update":
            continue
        assert said == {"type": "pong"}


def test_whoever_only_listens_is_told_by_server_sent_events(
    site: Site, admin: Person, ada: Person, http: httpx.Client
) -> None:
    jar = new_product(admin)
    with http.stream("GET", "/api/realtime/products/stream/", params={"ids": jar}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = (line.partition(": ")[::2] for line in answer.iter_lines())
        assert _told(told, "event") == "hello"
        assert json.loads(_told(told, "data"))["heartbeat_s"] == 15
        assert json.loads(_told(told, "data"))["data"] == [{"id": jar, "sold_count": 0}]
        last = _told(told, "id")
        ok(ada.order(jar, 2), 201)
        assert json.loads(_told(told, "data"))["sold_count"] == 2
    again = {"headers": {"Last-Event-ID": last}, "params": {"ids": jar}}
    with http.stream("GET", "/api/realtime/products/stream/", **again) as answer:
        told = (line.partition(": ")[::2] for line in answer.iter_lines())
        assert _told(told, "event") == "hello"
        assert _told(told, "event") == "product_update"
        assert json.loads(_told(told, "data"))["sold_count"] == 2


def _told(fields: Iterator[tuple[str, str]], name: str) -> str:
    """The next field of this name."""
    return next(value for field, value in fields if field == name)


def test_what_sells_best_stands_first(admin: Person, ada: Person, stranger: Visitor) -> None:
    jar, cup = new_product(admin, stock=1000), new_product(admin, stock=1000)
    ok(ada.order(jar, 900), 201)
    order = ok(ada.order(cup, 901), 201)

    def best() -> list[tuple[int, int]]:
        ranked = ok(stranger.get("/api/realtime/top/?window=1h&limit=50"))["data"]
        return [(product["id"], product["sold_count"]) for product in ranked]

    def among_the_best(*expected: tuple[int, int]) -> bool:
        ranked = best()
        assert ranked == sorted(ranked, key=lambda product: -product[1])
        return [product for product in ranked if product[0] in (jar, cup)] == list(expected)

    eventually(lambda: among_the_best((cup, 901), (jar, 900)), PATIENCE_S)
    ok(ada.delete(f"/api/orders/{order['id']}/"))
    eventually(lambda: among_the_best((jar, 900)), PATIENCE_S)


def _close_code(socket: ClientConnection) -> int | None:
    """With which code the server ends the conversation, whatever it says before."""
    try:
        while True:
            socket.recv(timeout=PATIENCE_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def _ticket(person: Person) -> str:
    return str(ok(person.post("/api/realtime/ticket/"))["ticket"])


def test_a_browser_hears_of_its_users_orders_until_the_user_signs_out(
    site: Site, admin: Person, ben: Person, newcomer: Callable[[], Person]
) -> None:
    eve, jar = newcomer(), new_product(admin)
    ticket = _ticket(eve)
    with _socket(site, f"/ws/orders/?ticket={ticket}", Origin=site.url) as socket:
        assert _next(socket)["type"] == "hello"
        with _socket(site, f"/ws/orders/?ticket={ticket}") as again:
            assert _close_code(again) == 4401
        ok(ben.order(jar), 201)
        order = ok(eve.order(jar), 201)
        placed = _next(socket)
        assert (placed["type"], placed["order_id"], placed["status"]) == ("order_update", order["id"], "pending")
        ok(admin.patch(f"/api/orders/{order['id']}/", {"status": "processing"}))
        assert (_next(socket)["status"], order["number"]) == ("processing", placed["number"])
        ok(eve.post("/api/auth/logout/"))
        assert _close_code(socket) == 4401


def test_orders_are_shown_to_no_stranger_and_no_other_page(site: Site, ada: Person) -> None:
    with _socket(site, "/ws/orders/", Origin="https://evil.example", **ada.headers) as socket:
        assert _close_code(socket) == 4403
    with _socket(site, f"/ws/orders/?token={ada.token}") as socket:
        assert _close_code(socket) == 4401
    with _socket(site, "/ws/orders/") as socket:
        socket.send(json.dumps({"action": "ping"}))
        assert _close_code(socket) == 4401


def test_an_administrator_sees_an_upload_to_its_end(site: Site, admin: Person, ada: Person) -> None:
    rows = "".join(f"WS-{number},Lamp {number},2.50\n" for number in range(2000))
    csv = {"headers": {"Content-Type": "text/csv"}, "content": f"sku,name,price\n{rows}"}
    task = ok(admin.post("/api/products/bulk-upload/", **csv), 202)["task_id"]
    with _socket(site, f"/ws/imports/{task}/", **ada.headers) as socket:
        assert _close_code(socket) == 4403
    with _socket(site, f"/ws/imports/{task}/", **admin.headers) as socket:
        while (said := _next(socket))["status"] != "finished":
            assert (said["type"], said["task_id"]) == ("import_progress", task)
        assert (said["processed"], said["created"]) == (2000, 2000)
        assert _close_code(socket) == 1000


def test_the_counts_are_right_after_they_were_built_anew_while_people_ordered(
    site: Site, admin: Person, crowd: list[Person], stranger: Visitor
) -> None:
    jar = new_product(admin, stock=1000)

    def shown() -> int:
        return int(ok(stranger.get(f"/api/realtime/products/?ids={jar}"))["data"][0]["sold_count"])

    def trade(person: Person) -> None:
        kept, given_back = ok(person.order(jar, 2), 201), ok(person.order(jar, 3), 201)
        ok(person.delete(f"/api/orders/{given_back['id']}/"))
        assert kept["status"] == "pending"

    def do(it: Person | None) -> None:
        if it is not None:
            trade(it)
        else:
            assert site.house.way_to("realtime").at_terminal("rebuild") == 0

    all_at_once(do, [*crowd[:4], None, *crowd[4:8]], 4)
    eventually(lambda: shown() == 2 * len(crowd[:8]), PATIENCE_S)
