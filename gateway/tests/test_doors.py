"""The threshold: what is not a door stays shut, and every refusal is a problem in the same words."""

import http.client
import json

import pytest

from .people import PROBLEM, Person, Visitor, new_product, ok, problem
from .site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

HIDDEN = [
    *("/internal/reservations/", "/internal/products/", "/internal/sessions/x/", "/internal/carts/x/"),
    *("/api/../internal/products/", "/api/products/../../internal/products/", "/api/%2e%2e/internal/products/"),
    *("//internal/products/", "/api/products/%2E%2E/%2E%2E/internal/products/", "/./internal/products/"),
    *(
        "/metrics",
        "/readyz",
        "/healthz",
        "/openapi.json",
        "/docs/cart",
        "/dashboard/",
        "/api/cartx/",
        "/api/ordersx/1/",
    ),
    *(
        "/static/",
        "/api/",
        "/api/unknown/",
        "/ws/",
        "/ws/unknown/",
        "/problems/503",
        "/limits/upload",
        "/INTERNAL/products/",
    ),
    *("/api/cart/..;/..;/internal/products/", "/api/cart/%252e%252e/internal/products/", "/;/internal/products/"),
    *("/api/orders/..\\..\\internal/products/", "http://catalog/internal/products/", "/ping", "/api/rawdata"),
]


def _raw(site: Site, method: str, path: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """A request whose path nobody tidies up on the way."""
    settings = site.settings
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", HIDDEN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_named_is_not_there_even_for_administrators(
    site: Site, admin: Person, path: str, method: str
) -> None:
    status, kind, body = _raw(site, method, path, admin.headers)
    assert (status, kind, json.loads(body)["code"]) == (404, PROBLEM, "not_found")


@pytest.mark.parametrize("path", ["/%2finternal/products/", "/api/products/..%2f..%2finternal/products/"])
def test_an_encoded_slash_is_refused_before_anything_is_looked_up(site: Site, admin: Person, path: str) -> None:
    assert _raw(site, "GET", path, admin.headers)[0] == 400


@pytest.mark.parametrize(
    "claim",
    [
        *(
            {"X-Original-URL": "/internal/products/"},
            {"X-Rewrite-URL": "/internal/products/"},
            {"Host": "catalog:8000"},
        ),
        *({"X-Forwarded-Prefix": "/internal"}, {"X-Forwarded-Host": "catalog"}, {"Forwarded": "host=catalog"}),
    ],
    ids=str,
)
def test_no_header_opens_what_is_not_there(site: Site, admin: Person, claim: dict[str, str]) -> None:
    for path in ("/api/", "/internal/products/", "/metrics", "/readyz", "/openapi.json"):
        assert _raw(site, "GET", path, admin.headers | claim)[0] == 404


def test_two_credentials_at_once_are_never_a_third_persons(ada: Person, ben: Person) -> None:
    mine, his = ada.headers["Authorization"], ben.headers["Authorization"]
    for first, second in ((mine, his), (his, mine), (mine, "Bearer x"), ("Bearer x", mine)):
        pairs = [("Authorization", first), ("Authorization", second)]
        seen = {
            ada.http.get(path, headers=pairs).status_code for path in ("/api/auth/me/", "/api/orders/", "/api/cart/")
        }
        assert seen in ({200}, {401})
        if seen == {200}:
            owner = ada if first == mine else ben
            assert ok(ada.http.get("/api/auth/me/", headers=pairs))["id"] == owner.id


def test_unknown_paths_inside_a_service_are_problems_too(ada: Person) -> None:
    for path in ("/api/auth/x/", "/api/cart/x/", "/api/orders/x/y/", "/api/notifications/x/", "/api/realtime/x/"):
        problem(ada.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/cart/"),
        ("PUT", "/api/auth/login/"),
        ("PATCH", "/api/products/"),
        ("DELETE", "/api/notifications/"),
        ("POST", "/api/realtime/products/"),
        ("PUT", "/api/orders/"),
        ("POST", "/api/health/"),
        ("TRACE", "/api/orders/"),
        ("BREW", "/api/cart/"),
    ],
)
def test_a_wrong_method_is_told_so(admin: Person, method: str, path: str) -> None:
    problem(admin.ask(method, path), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("path", "size"), [("/api/orders/", 300_000), ("/api/cart/add_item/", 300_000), ("/api/auth/login/", 17_000)]
)
def test_a_body_that_is_too_large_is_refused(ada: Person, path: str, size: int) -> None:
    headers = {"Content-Type": "application/json"}
    problem(ada.post(path, headers=headers, content=json.dumps({"note": "x" * size})), 413, "too_large")


@pytest.mark.parametrize("path", ["/api/auth/login/", "/api/auth/register/", "/api/cart/add_item/", "/api/orders/"])
@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"unknown": 1}', b"1" * 10_000, b"[" * 10_000])
def test_a_body_that_makes_no_sense_is_refused(ada: Person, path: str, body: bytes) -> None:
    problem(ada.post(path, headers={"Content-Type": "application/json"}, content=body), 400)


@pytest.mark.parametrize("number", ["0", "-1", "abc", "1.5", "99999999999999999999", "%00", "1'--", "2147483648"])
def test_an_id_that_cannot_be_one_is_not_found(admin: Person, number: str) -> None:
    for path in ("/api/products/", "/api/orders/", "/api/products/bulk-upload/"):
        problem(admin.get(f"{path}{number}/"), 404)


@pytest.mark.parametrize(
    "path",
    ["/api/products/?page=0", "/api/products/?page_size=101", "/api/orders/?colour=red", "/api/orders/?status=lost"],
)
def test_a_parameter_that_makes_no_sense_is_refused(admin: Person, path: str) -> None:
    problem(admin.get(path), 400)


def test_a_path_without_its_closing_slash_is_served_alike_and_without_a_redirect(
    admin: Person, ada: Person, stranger: Visitor
) -> None:
    jar = new_product(admin)
    for path in (f"/api/products/{jar}", "/api/health", "/api/realtime/products"):
        assert ok(stranger.get(path)) == ok(stranger.get(f"{path}/"))
    for path in ("/api/auth/me", "/api/cart", "/api/orders", "/api/notifications"):
        assert ok(ada.get(path)) == ok(ada.get(f"{path}/"))
    ok(ada.post("/api/orders", {"items": [{"product_id": jar, "quantity": 1}]}), 201)
    ok(ada.post("/api/cart/add_item", {"product_id": jar}))


def test_nobody_becomes_somebody_by_a_header(admin: Person, ada: Person, stranger: Visitor) -> None:
    claims = {"X-User-Id": admin.id, "X-User-Role": "admin", "X-Internal": "1", "X-Internal-Service": "orders"}
    claims |= {"X_User_Id": admin.id, "X-Forwarded-User": "admin", "X-Original-Url": "/internal/products/"}
    claims |= {"X-Http-Method-Override": "DELETE", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    problem(stranger.get("/api/auth/me/", headers=claims), 401)
    problem(stranger.get("/api/orders/", headers=claims), 401)
    problem(ada.post("/api/products/", {"name": "Mine", "price": "1"}, headers=claims), 403)
    assert ok(ada.get("/api/auth/me/", headers=claims))["id"] == ada.id
    assert {order["user"] for order in ok(ada.get("/api/orders/", headers=claims))["results"]} <= {ada.id}
    assert "evil" not in stranger.get("/api/products/?page_size=1", headers=claims).text


def test_every_answer_carries_its_requests_id(ada: Person, stranger: Visitor) -> None:
    for path in ("/api/products/", "/api/cart/", "/api/health/", "/api/nowhere/", "/internal/x"):
        assert (
            ada.get(path, headers={"X-Request-ID": "thread-of-ariadne.1"}).headers["x-request-id"]
            == "thread-of-ariadne.1"
        )
        made = {stranger.get(path).headers["x-request-id"] for _ in range(2)}
        assert len(made) == 2
        assert stranger.get(path, headers={"X-Request-ID": "<script>"}).headers["x-request-id"] != "<script>"


def test_the_servers_do_not_tell_what_they_are(stranger: Visitor) -> None:
    for path in ("/api/products/", "/api/nowhere/", "/api/cart/"):
        headers = stranger.get(path).headers
        assert "server" not in headers
        assert headers["x-content-type-options"] == "nosniff"


def test_the_health_of_the_whole_names_every_service(stranger: Visitor) -> None:
    assert ok(stranger.get("/api/health/")) == {
        "status": "ok",
        "services": dict.fromkeys(("auth", "catalog", "cart", "orders", "notifier", "realtime"), "up"),
    }
