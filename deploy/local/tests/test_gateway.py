"""The gateway's two files, in real Traefik: who is asked, what is refused, and in which words."""

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from common.testing.waiting import eventually
from stoa.servers import ServerFailed, free_port_block, running
from stoa.servers.gateway import Gateway
from stoa.settings import ROOT

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
    "/api/realtime/top/": "realtime",
}


def _problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]


def test_traefik_accepts_every_route(front):
    assert front.gateway.faults() == []


@pytest.mark.parametrize(("path", "owner"), OWNERS.items())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_each_path_goes_to_its_owner(front, method, path, owner):
    said = front.http.request(method, path).json()
    assert (said["service"], said["path"]) == (owner, path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/",
        "/api/cartx",
        "/api/cartx/",
        "/api/productsx/1/",
        "/internal/reservations/",
        "/api/cart/../../internal/x",
    ]
    + ["/metrics", "/readyz", "/healthz", "/openapi.json", "/docs", "/problems/503", "/unavailable/", "/limits/login"]
    + ["/dashboard/", "/api/overview", "/ws/", "/ws/other/", "/ws/imports/"],
)
def test_what_is_not_named_is_a_404_in_the_gateways_words(front, path):
    _problem(front.http.get(path), 404, "not_found")
    _problem(front.http.post(path), 404, "not_found")


def test_a_method_nobody_takes_is_a_405(front):
    _problem(front.http.request("TRACE", "/api/cart/"), 405, "method_not_allowed")
    _problem(front.http.request("BREW", "/api/cart/"), 405, "method_not_allowed")
    _problem(front.http.post("/api/health/"), 405, "method_not_allowed")


def test_an_encoded_slash_is_refused(front):
    assert front.http.get("/api/cart/%2Finternal").status_code == 400


def test_headers_that_claim_an_identity_do_not_pass(front):
    claims = {
        "X-User-Id": "1",
        "X_User_Id": "1",
        "X-Internal-Token": "x",
        "X-Request-Deadline": "9",
        "Forwarded": "for=9.9.9.9",
    }
    claims |= {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Host": "evil.example", "X-Request-ID": "r-1"}
    heard = front.http.post("/api/orders/", headers=claims).json()["headers"]
    assert not {name for name in heard if "user" in name.replace("user-agent", "") or "internal" in name}
    assert not {"x-request-deadline", "forwarded"} & heard.keys()
    assert heard["x-forwarded-for"] == "127.0.0.1"
    assert "evil" not in heard["x-forwarded-host"]
    assert heard["x-request-id"] == "r-1"


def test_answers_carry_the_security_headers_and_hide_the_server(front):
    headers = front.http.get("/api/cart/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    ("path", "most"), [("/api/cart/", 262144), ("/api/auth/me/", 16384), ("/api/auth/login/", 16384)]
)
def test_a_body_may_be_as_large_as_its_path_takes_and_no_larger(front, path, most):
    assert front.http.post(path, content=b"x" * most).json()["bytes"] == most
    _problem(front.http.post(path, content=b"x" * (most + 1)), 413, "too_large")


def test_an_upload_passes_whatever_its_size(front):
    assert front.http.post("/api/products/bulk-upload/", content=b"x" * 3_000_000).json()["bytes"] == 3_000_000


@pytest.mark.parametrize("code", [400, 404, 409, 429, 500, 503])
def test_what_a_service_refuses_it_refuses_in_its_own_words(front, code):
    answer = front.http.get(f"/api/orders/?code={code}")
    assert (answer.status_code, answer.json()["service"], answer.headers["retry-after"]) == (code, "orders", "77")


def test_sockets_pass(front):
    for path in ("/ws/products/", "/ws/echo", "/ws/orders/", "/ws/imports/7/"):
        with connect(f"ws{front.url.removeprefix('http')}{path}", proxy=None) as socket:
            socket.send("hello")
            assert socket.recv() == "hello"


def test_a_dead_service_is_a_503_on_its_own_paths_only(front):
    front.services["realtime"].stop()
    try:
        for ask in (front.http.get, front.http.post, front.http.delete):
            answer = ask("/api/realtime/top/")
            _problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws{front.url.removeprefix('http')}/ws/products/", proxy=None)
        assert refused.value.response.status_code == 503
        assert front.http.get("/api/cart/").status_code == 200
        eventually(lambda: front.http.get("/api/health/").json()["services"]["realtime"] == "down")
        assert front.http.get("/api/health/").json()["status"] == "degraded"
    finally:
        front.services["realtime"].start()
    eventually(lambda: front.http.get("/api/realtime/top/").status_code == 200)
    eventually(lambda: front.http.get("/api/health/").json()["status"] == "ok")


def test_too_many_sign_ins_are_told_how_long_to_wait(strict_front):
    answers = [strict_front.http.post("/api/auth/login/") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429, 429]
    _problem(answers[-1], 429, "too_many_requests")
    assert answers[-1].headers["retry-after"] == "5"


def test_a_forged_address_does_not_widen_the_limit(strict_front):
    answers = [
        strict_front.http.post("/api/auth/verify-otp", headers={"X-Forwarded-For": f"9.9.9.{n}"}) for n in range(6)
    ]
    assert 429 in {answer.status_code for answer in answers}


def test_auths_own_429_keeps_its_words(strict_front):
    answer = strict_front.http.post("/api/auth/register/?code=429")
    assert (answer.status_code, answer.json()["service"], answer.headers["retry-after"]) == (429, "auth", "77")


def test_too_many_requests_are_a_problem_with_retry_after(strict_front):
    answers = [strict_front.http.get("/api/cart/") for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    _problem(refused[0], 429, "too_many_requests")
    assert refused[0].headers["retry-after"] == "1"


def test_lifted_limits_are_refused_in_production(tmp_path):
    variables = {"STOA_RATE_LIMITS": "off", "STOA_ENV": "production"}
    base = free_port_block(2)
    gateway = Gateway(tmp_path, "127.0.0.1", base, base + 1, ROOT / "gateway", variables)
    with pytest.raises(ServerFailed, match="refused in production"), running(gateway, limit=4):
        pytest.fail("it opened")
