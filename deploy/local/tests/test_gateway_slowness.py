"""Who is too slow or too large for the gateway: clients that dawdle, services that do not answer, endless headers."""

import re

import pytest
from websockets.sync.client import connect

from common.testing.waiting import eventually
from stoa.settings import Settings

from .fronting import FILES, fronting, problem, until_hung_up


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A gateway that waits a second for clients and for services."""
    folder = tmp_path_factory.mktemp("hasty")
    with fronting(folder, read_timeout_s=1, STOA_ANSWER_TIMEOUT_S="1", STOA_RATE_LIMITS="off") as front:
        yield front


@pytest.mark.parametrize(
    "begun",
    [
        "GET /api/cart/ HT",
        "GET /api/cart/ HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "POST /api/cart/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        "POST /api/cart/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ],
)
def test_a_client_that_does_not_finish_its_request_is_left(hasty, begun):
    hasty.forget()
    with hasty.line() as line:
        line.sendall(begun.encode())
        until_hung_up(line)
    assert hasty.heard() == {}
    assert hasty.http.get("/api/cart/").status_code == 200


def test_a_client_that_does_not_fetch_its_answer_is_left(hasty):
    with hasty.line() as line:
        line.sendall(b"GET /api/cart/?bytes=50000000 HTTP/1.1\r\nHost: x\r\nX-Request-Id: slow-reader\r\n\r\n")
        eventually(lambda: any("slow-reader" in line.values() for line in hasty.access_log))
        assert len(until_hung_up(line)) < 50_000_000


def test_a_socket_outlives_those_times(hasty):
    with connect(f"{hasty.sockets}/ws/products/", proxy=None) as socket:
        for _ in range(2 * 1 + 1):  # each takes a second, and an answer may take two
            assert hasty.http.get("/api/orders/?hold").status_code == 504
        socket.send("still there")
        assert socket.recv() == "still there"
    hasty.services["orders"].release()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_service_that_does_not_answer_in_time_is_a_504_and_is_asked_once(hasty, method):
    hasty.forget()
    problem(hasty.http.request(method, "/api/notifications/?hold"), 504, "gateway_timeout")
    assert hasty.services["notifier"].heard == {f"{method} /api/notifications/": 1}
    hasty.services["notifier"].release()


@pytest.mark.parametrize("size", [25_000, 200_000])
def test_endless_headers_are_refused_before_they_reach_anybody(front, size):
    front.forget()
    for line in (f"X-Long: {'x' * size}", "\r\n".join(f"X-{n}: {'x' * 90}" for n in range(size // 100))):
        with front.line() as connection:
            connection.sendall(f"GET /api/cart/ HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
            assert re.match(rb"HTTP/1\.1 431 ", until_hung_up(connection))
    long_path = front.raw(f"GET /api/cart/{'x' * size} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert re.match(rb"HTTP/1\.1 (431|414) ", long_path)
    assert front.heard() == {}


def test_a_token_of_four_kilobytes_and_an_address_of_eight_pass(front):
    answer = front.http.get(f"/api/cart/?x={'y' * 8000}", headers={"Authorization": f"Bearer {'t' * 4000}"})
    assert answer.status_code == 200


@pytest.mark.unit
def test_the_file_for_containers_has_the_figures_of_the_settings():
    text = (FILES / "traefik.yaml").read_text()
    assert f"readTimeout: {Settings(_env_file=None).read_timeout_s}s" in text
    assert f"writeTimeout: {2 * Settings(_env_file=None).read_timeout_s}s" in text
