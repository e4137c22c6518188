"""The gateway's two files, in real Traefik: who is asked, what is refused, and in which words."""

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from common.testing.waiting import eventually
from stoa.servers import ServerFailed, free_port_block, running
from stoa.servers.gateway import Gateway

from .fronting import FILES, problem

OWNERS = {
    "/api/auth/me/": "auth",
    "/api/auth/jwks.json": "auth",
    "/api/products/": "catalog",
    "/api/products/7/": "catalog",
    "/api/products/bulk-upload/": "catalog",
    "/api/cart/": "cart",
    "/api/cart": "cart",
    "/api/orders/x/timeline/": "orders",
    "/api/notifications/": "notifier",
    "/api/webhooks": "notifier",
    "/api/webhooks/x/deliveries/": "notifier",
    "/api/realtime/top/": "realtime",
}


def test_traefik_finds_no_fault_with_the_files_as_they_are(default_front):
    assert default_front.gateway.faults() == []


@pytest.mark.parametrize(("path", "owner"), OWNERS.items())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_each_path_goes_to_its_owner(front, method, path, owner):
    said = front.http.request(method, path).json()
    assert (said["service"], said["path"]) == (owner, path)


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/cartx",
        "/api/cartx/",
        "/api/productsx/1/",
        "/internal/reservations/",
        "/api/cart/../../internal/x",
    ]
    + [
        "/metrics",
        "/readyz",
        "/healthz",
        "/openapi.json",
        "/docs/cart",
        "/problems/503",
        "/unavailable/",
        "/limits/login",
    ]
    + ["/dashboard/", "/api/overview", "/ws/", "/ws/other/", "/ws/imports/"],
)
def test_what_is_not_named_is_a_404_in_the_gateways_words(front, path):
    problem(front.http.get(path), 404, "not_found")
    problem(front.http.post(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/", "/live", "/docs", "/docs/events/", "/admin", "/static/parts/style.css"])
def test_a_page_is_read_and_nothing_else(front, path):
    page = front.http.get(path)
    assert (page.status_code, front.http.head(path).status_code) == (200, 200)
    assert page.headers["content-security-policy"].startswith("default-src 'self'; object-src 'none'")
    assert page.headers["x-frame-options"] == "DENY"
    assert front.http.get(path, headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    problem(front.http.post(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/docs/asyncapi.json", "/docs/openapi/orders.json"])
def test_a_paper_on_the_api_is_data_that_is_read_and_nothing_else(front, path):
    paper = front.http.get(path)
    assert (paper.status_code, paper.headers["content-type"]) == (200, "application/json")
    assert paper.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    problem(front.http.post(path), 404, "not_found")


def test_a_method_nobody_takes_is_a_405(front):
    problem(front.http.request("TRACE", "/api/cart/"), 405, "method_not_allowed")
    problem(front.http.request("BREW", "/api/cart/"), 405, "method_not_allowed")
    problem(front.http.post("/api/health/"), 405, "method_not_allowed")


def test_an_encoded_slash_is_refused(front):
    assert front.http.get("/api/cart/%2Finternal").status_code == 400


@pytest.mark.parametrize(
    ("path", "most"), [("/api/cart/", 262144), ("/api/auth/me/", 16384), ("/api/auth/login/", 16384)]
)
def test_a_body_may_be_as_large_as_its_path_takes_and_no_larger(front, path, most):
    assert front.http.post(path, content=b"x" * most).json()["bytes"] == most
    problem(front.http.post(path, content=b"x" * (most + 1)), 413, "too_large")


def test_an_upload_passes_whatever_its_size(front):
    assert front.http.post("/api/products/bulk-upload/", content=b"x" * 3_000_000).json()["bytes"] == 3_000_000


@pytest.mark.parametrize("code", [400, 404, 409, 429, 500, 503])
def test_what_a_service_refuses_it_refuses_in_its_own_words(front, code):
    answer = front.http.get(f"/api/orders/?code={code}")
    assert (answer.status_code, answer.json()["service"], answer.headers["retry-after"]) == (code, "orders", "77")


def test_sockets_pass(front):
    for path in ("/ws/products/", "/ws/echo", "/ws/orders/", "/ws/imports/7/"):
        with connect(f"{front.sockets}{path}", proxy=None) as socket:
            socket.send("hello")
            assert socket.recv() == "hello"


def test_a_dead_service_is_a_503_on_its_own_paths_only(front):
    front.services["realtime"].stop()
    try:
        for ask in (front.http.get, front.http.post, front.http.delete):
            answer = ask("/api/realtime/top/")
            problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{front.sockets}/ws/products/", proxy=None)
        assert refused.value.response.status_code == 503
        assert front.http.get("/api/cart/").status_code == 200
        eventually(lambda: front.http.get("/api/health/").json()["services"]["realtime"] == "down")
        assert front.http.get("/api/health/").json()["status"] == "degraded"
    finally:
        front.services["realtime"].start()
    eventually(lambda: front.http.get("/api/realtime/top/").status_code == 200)
    eventually(lambda: front.http.get("/api/health/").json()["status"] == "ok")


def test_lifted_limits_are_refused_in_production(tmp_path):
    variables = {"STOA_RATE_LIMITS": "off", "STOA_ENV": "production"}
    base = free_port_block(2)
    gateway = Gateway(tmp_path, "127.0.0.1", base, base + 1, FILES, variables)
    with pytest.raises(ServerFailed, match="refused in production"), running(gateway, limit=4):
        pytest.fail("it opened")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [({"STOA_CORS_ORIGINS": "*"}, "names each origin"), ({"STOA_TLS": "acme"}, "in STOA_TLS_HOST")],
)
def test_what_endangers_the_clients_is_refused(tmp_path, variables, sentence):
    base = free_port_block(2)
    gateway = Gateway(tmp_path, "127.0.0.1", base, base + 1, FILES, variables)
    with pytest.raises(ServerFailed, match=sentence), running(gateway, limit=4):
        pytest.fail("it opened")


def test_a_fault_in_the_routes_is_found(tmp_path):
    for name in ("traefik.yaml", "routes.yaml"):
        text = (FILES / name).read_text()
        (tmp_path / name).write_text(text.replace("service: catalog\n", "service: nobody\n"))
    base = free_port_block(2)
    gateway = Gateway(tmp_path / "run", "127.0.0.1", base, base + 1, tmp_path, {"STOA_RATE_LIMITS": "off"})
    with running(gateway):
        assert any("nobody" in fault for fault in gateway.faults())
    assert gateway.faults() == ["its overview does not answer"]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("size", [10, 100_000])
def test_an_answer_that_breaks_off_is_not_made_whole(front, encoding, size):
    headers = {"Accept-Encoding": encoding}
    with front.http.stream("GET", f"/api/products/?tear={size}", headers=headers) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            list(answer.iter_raw())
