"""Ways around the gateway that others have fallen for, sent byte by byte: nothing gets where it should not."""

import re

import pytest

from .fronting import NAMES, problem

PREFIX = {
    "auth": "/api/auth/",
    "catalog": "/api/products/",
    "cart": "/api/cart/",
    "orders": "/api/orders/",
    "notifier": "/api/notifications/",
    "realtime": "/api/realtime/",
}
HIDDEN = ["internal/reservations/", "metrics", "readyz", "openapi.json"]
DISGUISES = [
    *("/{0}", "//{0}", "///{0}", "/./{0}", "/x/../{0}", "/api/../{0}", "/api/cart/../../{0}", "/api/cart/..//../{0}"),
    *(
        "/%2e/{0}",
        "/api/%2e%2e/{0}",
        "/api/cart/%2E%2E/%2E%2E/{0}",
        "/api/cart/.%2e/%2e./{0}",
        "/%2f{0}",
        "/api/cart%2f..%2f..%2f{0}",
    ),
    *(
        "/api/cart/..%2f..%2f{0}",
        "/api/cart/%252e%252e/%252e%252e/{0}",
        "/api/cart/..%252f..%252f{0}",
        "/api/cart/..;/..;/{0}",
    ),
    *(
        "/api/cart/;/../../{0}",
        "/api/cart;x=1/../../{0}",
        "/;/{0}",
        "/.;/{0}",
        "/api/cart/..%3b/..%3b/{0}",
        "/api/cart/..\\..\\{0}",
    ),
    *(
        "/api/cart/..%5c..%5c{0}",
        "/\\{0}",
        "/api/cart/%00/../../{0}",
        "/api/cart/..%00/{0}",
        "/api/cart/%c0%ae%c0%ae/{0}",
        "/{0}%20",
    ),
    *(
        "/{0}%23",
        "/{0}?x=/api/cart/",
        "/{0}#/api/cart/",
        "/{0};/api/cart/",
        "/api/cart/?/../../{0}",
        "/%69nternal/reservations/",
    ),
    *(
        "http://127.0.0.1/{0}",
        "http://orders:8000/{0}",
        "http://x@orders/{0}",
        "/http://orders/{0}",
        "/api/cart/http://orders/{0}",
    ),
]
HEADERS = [
    *("Host: orders:8000", "Host: internal", "Host: 127.0.0.1:8081", "Host: ", "Host: /api/cart/"),
    *("X-Original-URL: /internal/reservations/", "X-Rewrite-URL: /internal/reservations/", "X-Original-URI: /metrics"),
    *("X-Forwarded-Uri: /internal/reservations/", "X-Forwarded-Prefix: /internal", "X-Forwarded-Path: /internal/"),
    *(
        "X-Forwarded-Host: orders:8000",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 8081",
    ),
    *(
        "Forwarded: for=127.0.0.1;host=orders;proto=https",
        "X-Host: orders",
        "X-HTTP-Method-Override: DELETE",
        "X-Real-IP: 127.0.0.1",
    ),
    *(
        "X-Replaced-Path: /internal/",
        "X-Http-Destinationurl: http://orders/internal/",
        "Proxy: http://127.0.0.1:1",
        "Destination: /internal/",
    ),
]


def _status(answer):
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(found[1]) if found else 0


def _get(front, target, *headers, method="GET"):
    own = [] if any(header.startswith("Host:") for header in headers) else ["Host: shop.example"]
    return front.raw("\r\n".join([f"{method} {target} HTTP/1.1", *own, *headers, "Connection: close", "", ""]))


def _leaks(front):
    """What has come to a service although it is not below the service's own path."""
    reached = [(name, heard.split(" ", 1)[1]) for name, all_heard in front.heard().items() for heard in all_heard]
    return [(name, path) for name, path in reached if not f"{path}/".startswith(PREFIX[name]) or "/../" in path]


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_disguise_of_a_path_leads_out_of_a_services_own_paths(front, disguise, hidden):
    front.forget()
    for variant in (disguise, disguise.upper().replace("HTTP:", "http:")):
        for method in ("GET", "POST"):
            answer = _get(front, variant.format(hidden), "Content-Length: 0", method=method)
            reached = sum(map(len, front.heard().values()))
            assert _status(answer) in ((200,) if reached else (400, 404)), answer
            assert _leaks(front) == []
            front.forget()


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_leads_anywhere_else(front, header):
    front.forget()
    for path in ("/internal/reservations/", "/metrics", "/nowhere"):
        assert _status(_get(front, path, header)) in (400, 404)
    assert _status(_get(front, "/", header)) in (200, 400)
    assert front.heard() == {}
    assert _status(_get(front, "/api/cart/", header)) in (200, 400)
    assert front.heard() in ({"cart": ["GET /api/cart/"]}, {})


@pytest.mark.parametrize(
    "request_line", ["CONNECT orders:8000 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "PRI * HTTP/2.0"]
)
def test_a_target_that_is_no_path_reaches_nobody(front, request_line):
    front.forget()
    answer = front.raw(f"{request_line}\r\nHost: orders:8000\r\nConnection: close\r\n\r\n")
    assert _status(answer) in (200, 400, 404, 405, 501, 505), answer  # 200 is Go's own answer to OPTIONS *
    assert front.heard() == {}


def test_the_operators_port_is_not_in_the_public_one(front):
    for path in (
        "/ping",
        "/metrics",
        "/api/overview",
        "/api/rawdata",
        "/api/http/routers",
        "/dashboard/",
        "/debug/pprof/",
    ):
        problem(front.http.get(path, headers={"Host": f"127.0.0.1:{front.gateway.ops_port}"}), 404, "not_found")


SMUGGLED = "POST /api/orders/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
LENGTHS = {
    "both": "Content-Length: {0}\r\nTransfer-Encoding: chunked",
    "both, the other way round": "Transfer-Encoding: chunked\r\nContent-Length: {0}",
    "two lengths": "Content-Length: {0}\r\nContent-Length: 5",
    "two lengths in one": "Content-Length: {0}, 5",
    "a length with a sign": "Content-Length: +{0}",
    "a hidden encoding": "Content-Length: {0}\r\nTransfer-Encoding: xchunked",
    "an encoding after a tab": "Content-Length: {0}\r\nTransfer-Encoding:\tchunked",
    "an encoding with a space before the colon": "Content-Length: {0}\r\nTransfer-Encoding : chunked",
    "two encodings": "Content-Length: {0}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "an encoding in quotes": 'Content-Length: {0}\r\nTransfer-Encoding: "chunked"',
    "a folded encoding": "Content-Length: {0}\r\nTransfer-Encoding:\r\n chunked",
    "an underscore": "Content-Length: {0}\r\nTransfer_Encoding: chunked",
}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_no_request_hides_in_the_body_of_another(front, lengths):
    front.forget()
    body = f"0\r\n\r\n{SMUGGLED}"
    head = f"POST /api/cart/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lengths.format(len(body))}\r\n\r\n"
    answer = front.raw(head + body)
    assert len(re.findall(rb"HTTP/1\.1 \d{3}", answer)) == 1, answer
    assert _status(answer) in (200, 400, 501)
    assert front.heard() in ({}, {"cart": ["POST /api/cart/"]})


@pytest.mark.parametrize("chunk", ["-1", "0x0", "ffffffffffffffff1", "1;" + "x" * 20_000, " 5", "5 \t;a"])
def test_a_chunk_of_no_clear_size_reaches_nobody(front, chunk):
    front.forget()
    head = "POST /api/cart/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = front.raw(f"{head}{chunk}\r\nhello\r\n0\r\n\r\n{SMUGGLED}")
    assert len(re.findall(rb"HTTP/1\.1 \d{3}", answer)) == 1, answer
    assert _status(answer) in (400, 500), answer  # 500 is Traefik's own word for a body that it cannot read
    assert front.heard() == {}


@pytest.mark.parametrize("line", ["X-A: a\x00b", "X-A: a\rb", "X A: b", "X-A\x7f: b", ": b", " X-A: b"])
def test_a_header_that_is_none_is_refused(front, line):
    front.forget()
    assert _status(_get(front, "/api/cart/", line)) == 400
    assert front.heard() == {}


def test_the_services_are_those_of_the_lists():
    assert PREFIX.keys() == set(NAMES)
