"""The sisters' tests: whatever the other side does, a call ends with an answer or with Unavailable."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from structlog.contextvars import bound_contextvars

from common import http
from common.errors import Unavailable
from common.http import AsyncSister, Sister
from common.service_tokens import Badge
from common.testing.clocks import other_time
from common.testing.sisters import CrowdServer, FakeSister

pytestmark = pytest.mark.unit

Raw = Callable[[bytes | None], str]


@pytest.fixture
def raw() -> Iterator[Raw]:
    """A server that answers every connection with these bytes and closes it; with None it never answers."""
    listeners: list[socket.socket] = []
    kept: list[socket.socket] = []

    def serve(listener: socket.socket, answer: bytes | None) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if answer is None:
                kept.append(connection)
                continue
            with closing(connection):
                connection.recv(65536)
                connection.sendall(answer)

    def start(answer: bytes | None) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for connection in kept:
        connection.close()


def nobody() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def call() -> Iterator[Callable[..., Sister]]:
    """Makes clients that are closed at the end."""
    clients: list[Sister] = []

    def make(url: str, attempts: int = 1, timeout_s: float = 5.0) -> Sister:
        clients.append(Sister("catalog", url, Badge("toys"), timeout_s=timeout_s, attempts=attempts))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


Call = Callable[..., Sister]
GARBAGE = {
    "silence": b"",
    "no http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
    "no json": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "bad utf-8": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe\xfd\xfc",
    "500": b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    "503": b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n",
}


def test_an_answer_is_status_and_body(sister: FakeSister, call: Call) -> None:
    sister.answer("GET", "/internal/things/", lambda path, _: (200, {"asked": path}))
    sister.answer("POST", "/internal/things/", lambda _, body: (409, {"got": body}))
    client = call(sister.url)
    assert client.get("/internal/things/", ids="1,2") == (200, {"asked": "/internal/things/?ids=1%2C2"})
    assert client.post("/internal/things/", {"a": [1]}) == (409, {"got": {"a": [1]}})
    assert client.get("/internal/nothing/") == (404, {"code": "not_found"})


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_unavailable(raw: Raw, call: Call, answer: bytes) -> None:
    with pytest.raises(Unavailable) as refused:
        call(raw(answer)).get("/")
    assert refused.value.problem_code == "catalog_unavailable"
    assert refused.value.headers["Retry-After"]


def test_a_dead_sister_is_unavailable_however_long_an_answer_may_take(call: Call) -> None:
    with pytest.raises(Unavailable):
        call(nobody(), timeout_s=3600).get("/")


def test_a_slow_sister_is_unavailable_when_the_time_is_over(raw: Raw, call: Call) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable):
        call(raw(None), timeout_s=0.15).get("/")
    assert time.monotonic() - started > 0.1


def failing(sister: FakeSister, times: int) -> None:
    """503 so many times, then 200."""

    def answer(*_: object) -> tuple[int, object]:
        return (503, {}) if len(sister.asked) <= times else (200, {"well": True})

    sister.answer("GET", "/", answer)


def test_a_call_is_repeated_only_when_that_was_asked_for(sister: FakeSister, call: Call) -> None:
    failing(sister, 1)
    with pytest.raises(Unavailable):
        call(sister.url).get("/")
    assert len(sister.asked) == 1
    sister.asked.clear()
    assert call(sister.url, attempts=2).get("/") == (200, {"well": True})
    assert len(sister.asked) == 2
    sister.asked.clear()
    failing(sister, 99)
    with pytest.raises(Unavailable):
        call(sister.url, attempts=3).get("/")
    assert len(sister.asked) == 3


def test_a_refusal_is_not_repeated(sister: FakeSister, call: Call) -> None:
    assert call(sister.url, attempts=3).get("/nothing/")[0] == 404
    assert len(sister.asked) == 1


def test_five_failures_in_a_row_open_the_breaker_and_a_good_probe_closes_it(
    monkeypatch: pytest.MonkeyPatch, sister: FakeSister, call: Call
) -> None:
    clock = 1000.0
    other_time(monkeypatch, http, monotonic=lambda: clock)
    failing(sister, 6)
    client = call(sister.url)
    for _ in range(8):
        with pytest.raises(Unavailable):
            client.get("/")
    assert len(sister.asked) == 5, "the breaker is open after five"
    clock += http.OPEN_S + 0.1
    for _ in range(3):
        with pytest.raises(Unavailable):
            client.get("/")
    assert len(sister.asked) == 6, "one probe, and it failed"
    clock += http.OPEN_S + 0.1
    assert client.get("/")[0] == 200
    assert client.get("/")[0] == 200
    assert len(sister.asked) == 8


def test_failures_that_are_not_in_a_row_leave_the_breaker_closed(sister: FakeSister, call: Call) -> None:
    client = call(sister.url)
    sister.answer("GET", "/bad/", lambda *_: (500, {}))
    sister.answer("GET", "/good/", lambda *_: (404, {}))
    for _ in range(4):
        for _ in range(4):
            with pytest.raises(Unavailable):
                client.get("/bad/")
        assert client.get("/good/")[0] == 404
    assert len(sister.asked) == 20


def test_while_the_probe_is_on_its_way_the_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    other_time(monkeypatch, http, monotonic=lambda: clock)
    breaker = http.Breaker()
    for _ in range(http.OPEN_AFTER):
        breaker.note(succeeded=False)
    clock += http.OPEN_S + 0.1
    assert [breaker.allow() for _ in range(4)] == [True, False, False, False]


def test_a_client_is_shared_by_many_threads(sister: FakeSister, call: Call) -> None:
    sister.answer("POST", "/", lambda _, body: (200, body))
    client = call(sister.url)
    answers: list[object] = []

    def ask(number: int) -> None:
        answers.extend(client.post("/", {"n": number * 100 + step})[1]["n"] for step in range(10))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == sorted((n * 100 + s for n in range(8) for s in range(10)), key=str)


def test_at_a_fake_sister_many_can_knock_before_the_first_is_let_in() -> None:
    """Else a crowd of clients that wait 0.2 s for a connection finds some of them refused on a busy machine."""
    with CrowdServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server, ExitStack() as open_ones:
        for _ in range(32):
            open_ones.enter_context(socket.create_connection(server.server_address[:2], timeout=5))


def test_the_requests_id_and_trace_go_along(raw: Raw, call: Call) -> None:
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            seen.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    thread = threading.Thread(target=serve)
    thread.start()
    with bound_contextvars(request_id="req-1", traceparent="00-trace"):
        call(f"http://127.0.0.1:{listener.getsockname()[1]}").get("/")
    thread.join()
    listener.close()
    head = seen[0].lower()
    assert b"x-request-id: req-1" in head
    assert b"traceparent: 00-trace" in head


async def ask_all(url: str, times: int, path: str = "/", timeout_s: float = 5.0) -> list[object]:
    sister = AsyncSister("auth", url, Badge("toys"), timeout_s=timeout_s)
    answers: list[object] = []
    for _ in range(times):
        try:
            answers.append(await sister.get(path))
        except Unavailable as problem:
            answers.append(problem.problem_code)
    await sister.close()
    return answers


@pytest.mark.parametrize("answer", [*GARBAGE.values(), None], ids=[*GARBAGE.keys(), "never"])
def test_the_event_loops_client_knows_the_same_refusals(raw: Raw, answer: bytes | None) -> None:
    patience_s = 5.0 if answer else 0.15
    assert asyncio.run(ask_all(raw(answer), 1, timeout_s=patience_s)) == ["auth_unavailable"]
    assert asyncio.run(ask_all(nobody(), 1)) == ["auth_unavailable"]


def test_the_event_loops_client_gives_a_drip_no_more_than_its_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while not stop.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert asyncio.run(ask_all(url, 1, timeout_s=0.15)) == ["auth_unavailable"]
    stop.set()
    thread.join()
    listener.close()


def test_the_event_loops_client_has_a_breaker_too(sister: FakeSister) -> None:
    sister.answer("GET", "/", lambda *_: (500, {}))
    assert asyncio.run(ask_all(sister.url, 9)) == ["auth_unavailable"] * 9
    assert len(sister.asked) == http.OPEN_AFTER


def test_the_event_loops_client_answers(sister: FakeSister) -> None:
    sister.answer("GET", "/", lambda *_: (200, {"ok": True}))
    assert json.dumps(asyncio.run(ask_all(sister.url, 2))) == '[[200, {"ok": true}], [200, {"ok": true}]]'


def context_of(client: httpx.Client) -> ssl.SSLContext:
    """What the connections of a client are wrapped in."""
    context: ssl.SSLContext = client._transport._pool._ssl_context  # type: ignore[attr-defined]
    return context


def test_clients_share_no_tls_context_and_the_authorities_are_read_once(
    call: Callable[..., Sister], monkeypatch: pytest.MonkeyPatch
) -> None:
    http._authorities.cache_clear()
    read = []
    make = httpx.create_ssl_context
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **how: read.append(how) or make(**how))
    plain, *other = (context_of(call(url)._client) for url in ("http://a", "http://a", "https://b", "https://b"))
    assert len({plain, *other}) == 4
    assert {(one.verify_mode, one.check_hostname) for one in (plain, *other)} == {(ssl.CERT_REQUIRED, True)}
    assert [len(one.get_ca_certs()) > 50 for one in (plain, *other)] == [False, False, True, True]
    assert len(read) == 1
