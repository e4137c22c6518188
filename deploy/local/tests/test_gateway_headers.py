"""Headers at the gateway: what a client cannot claim, what every answer carries, and who may read it across origins."""

import re

import pytest

from .fronting import FILES, fronting, problem

SHOP = "https://shop.example"
OTHER = "http://localhost:3000"
EVIL = [
    *("https://evil.example", "http://shop.example", "https://shop.example.evil.example", "https://shop.example:8443"),
    *(
        "https://sub.shop.example",
        "https://shop.exampl",
        "https://shopxexample",
        "null",
        "*",
        "https://shop.example, null",
    ),
]


@pytest.fixture(scope="module")
def open_front(tmp_path_factory):
    """A gateway that pages of two origins may call."""
    origins = f"{SHOP}, {OTHER}"
    with fronting(tmp_path_factory.mktemp("cors"), STOA_CORS_ORIGINS=origins, STOA_RATE_LIMITS="off") as front:
        yield front


def _stripped():
    text = (FILES / "routes.yaml").read_text()
    listed = text[text.index("customRequestHeaders") : text.index("customResponseHeaders")]
    pairs = re.findall(r'"([A-Za-z-]+)" "([A-Za-z|-]*)"', listed)
    return [group + ending for group, endings in pairs for ending in endings.split("|")]


def test_the_list_of_what_nobody_may_claim_is_read_right():
    assert {"X-User-Id", "X-User", "X-Internal-Token", "Forwarded", "Proxy", "X-Request-Deadline"} <= set(_stripped())
    assert {"X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Forwarded-User"} <= set(_stripped())
    assert len(_stripped()) > 90


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("disguise", [str, str.lower, str.upper, lambda name: name.replace("-", "_")])
def test_headers_that_claim_an_identity_do_not_pass(front, method, disguise):
    names = _stripped()
    for part in range(0, len(names), 40):
        claims = {disguise(name): "claimed" for name in names[part : part + 40]}
        pairs = front.http.request(method, "/api/orders/", headers=claims).json()["pairs"]
        assert [name for name, value in pairs if "claimed" in value] == []


def test_the_services_are_told_the_clients_true_address_and_the_id_it_gave(front):
    claims = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "X-Forwarded-Server", "Forwarded"), "9.9.9.9")
    claims |= {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-Port": "1"}
    claims |= {
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Uri": "/evil",
        "X-Forwarded-Method": "DELETE",
        "X-Request-ID": "r-1",
    }
    heard = front.http.post("/api/orders/", headers=claims).json()["headers"]
    assert (heard["x-forwarded-for"], heard["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")
    assert heard["x-forwarded-host"] == f"127.0.0.1:{front.gateway.port}"
    assert heard["x-forwarded-proto"] == "http"
    assert not {"x-forwarded-prefix", "x-forwarded-uri", "x-forwarded-method", "forwarded"} & heard.keys()
    assert "9.9.9.9" not in heard.values()
    assert heard["x-request-id"] == "r-1"


@pytest.mark.parametrize(
    "named", ["X-Forwarded-For", "X-Real-Ip, X-Forwarded-Host", "X-User-Id", "X-Forwarded-For, X-Forwarded-For"]
)
def test_a_client_cannot_have_the_gateways_own_headers_taken_off(front, named):
    lines = f"Host: shop.example\r\nConnection: close, {named}\r\nX-User-Id: 1\r\nX-Forwarded-For: 9.9.9.9"
    heard = front.raw(f"GET /api/cart/ HTTP/1.1\r\n{lines}\r\n\r\n")
    assert b'"x-forwarded-for": "127.0.0.1"' in heard
    assert b'"x-real-ip": "127.0.0.1"' in heard
    assert b"9.9.9.9" not in heard
    assert b"x-user-id" not in heard


def test_a_request_whose_id_is_called_hop_by_hop_is_given_another(front):
    lines = "Host: x\r\nX-Request-Id: mine\r\nConnection: close, X-Request-Id"
    heard = front.raw(f"GET /nowhere HTTP/1.1\r\n{lines}\r\n\r\n")
    assert re.search(rb"(?i)x-request-id: (?!mine)[0-9a-f-]{36}", heard)


def test_credentials_pass_as_they_came_and_in_their_order(front):
    pairs = [("Authorization", "Bearer first"), ("Authorization", "Bearer second"), ("X-Cart-Token", "t")]
    heard = front.http.get("/api/cart/", headers=pairs).json()["pairs"]
    assert [value for name, value in heard if name == "authorization"] == ["Bearer first", "Bearer second"]
    assert ["x-cart-token", "t"] in heard


@pytest.mark.parametrize(
    "path", ["/api/cart/", "/api/cart/?code=500", "/nowhere", "/api/health/", "/api/cart/?code=404"]
)
def test_every_answer_carries_the_security_headers_and_hides_the_server(front, path):
    headers = front.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert not {"server", "x-powered-by", "strict-transport-security", "via"} & headers.keys()


def test_a_long_answer_is_compressed_for_those_who_ask_and_a_short_one_is_not(front):
    for encoding in ("zstd", "br", "gzip"):
        with front.http.stream("GET", "/api/cart/?bytes=5000", headers={"Accept-Encoding": encoding}) as answer:
            assert answer.headers["content-encoding"] == encoding
            assert len(b"".join(answer.iter_raw())) < 500
    assert "content-encoding" not in front.http.get("/api/cart/?bytes=1000").headers
    assert "content-encoding" not in front.http.get("/api/cart/?bytes=5000", headers={"Accept-Encoding": ""}).headers


@pytest.mark.parametrize("origin", [SHOP, OTHER])
def test_pages_of_a_named_origin_may_call_and_read(open_front, origin):
    for path, status in (("/api/cart/", 200), ("/api/cart/?code=429", 429), ("/nowhere", 404)):
        answer = open_front.http.get(path, headers={"Origin": origin})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, origin)
        shown = {name.lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert shown == {"x-request-id", "retry-after", "etag", "location", "idempotent-replayed", "x-cart-token"}
        assert "access-control-allow-credentials" not in answer.headers
        assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_is_answered_by_the_gateway_itself(open_front, method):
    open_front.forget()
    asked = {"Origin": SHOP, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    answer = open_front.http.options("/api/orders/", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert method in answer.headers["access-control-allow-methods"].split(",")
    allowed = {name.lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert allowed == {
        *("authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-cart-token"),
        "x-request-id",
    }
    assert int(answer.headers["access-control-max-age"]) > 0
    assert open_front.heard() == {}


@pytest.mark.parametrize("origin", EVIL)
def test_pages_of_any_other_origin_may_not(open_front, origin):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for answer in (
        open_front.http.options("/api/orders/", headers=asked),
        open_front.http.get("/api/cart/", headers=asked),
    ):
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


def test_without_origins_nothing_is_said_about_them(front):
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    for answer in (front.http.options("/api/orders/", headers=asked), front.http.get("/api/cart/", headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_refused_page_is_still_a_problem_to_a_named_origin(open_front):
    answer = open_front.http.post("/api/auth/login/", content=b"x" * 20_000, headers={"Origin": SHOP})
    problem(answer, 413, "too_large")
    assert answer.headers["access-control-allow-origin"] == SHOP
