"""The portal by itself: health of the whole, and problem pages."""

import asyncio
import hashlib
import json
import re
from html.parser import HTMLParser

import httpx
import pytest

from portal.documents import Documents, merge
from portal.health import Health
from portal.main import build
from portal.settings import Settings
from portal.site import FOLDER, PAGES

pytestmark = pytest.mark.unit


@pytest.fixture
def ask():
    def send(method: str, path: str, **more: object) -> httpx.Response:
        async def once() -> httpx.Response:
            nobody = {f"{name.removesuffix('_url')}_url": "http://127.0.0.1:1" for name in Settings.model_fields}
            transport = httpx.ASGITransport(app=build(Settings(**nobody)))
            async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
                return await client.request(method, path, **more)

        return asyncio.run(once())

    return send


def test_health_names_every_service_and_tells_when_to_ask_again(ask):
    answer = ask("GET", "/api/health/")
    assert answer.status_code == 503
    assert answer.json()["status"] == "degraded"
    assert set(answer.json()["services"].values()) == {"down"}
    assert len(answer.json()["services"]) == 6
    assert int(answer.headers["retry-after"]) > 0


def test_a_service_is_up_while_one_of_its_replicas_is(sister):
    sister.answer("GET", "/readyz", lambda *_: (200, {}))

    async def once() -> dict[str, str]:
        health = Health({"orders": f"http://127.0.0.1:1, {sister.url}", "cart": "http://127.0.0.1:1"})
        try:
            return await health.states()
        finally:
            await health.close()

    assert asyncio.run(once()) == {"orders": "up", "cart": "down"}


def test_a_document_is_taken_from_the_replica_that_gives_it(sister):
    sister.answer("GET", "/openapi.json", lambda *_: (200, {"paths": {}}))

    async def once() -> bytes:
        documents = Documents({"orders": f"http://127.0.0.1:1,{sister.url}"})
        try:
            return (await documents.one("orders")).content
        finally:
            await documents.close()

    assert json.loads(asyncio.run(once())) == {"paths": {}}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [404, 405, 413, 429, 502, 503, 504])
def test_a_problem_page_is_problem_json_with_the_status_it_names(ask, method, status):
    answer = ask(method, f"/problems/{status}", headers={"X-Request-ID": "r-1"})
    body = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "request_id"} <= body.keys()
    assert (body["status"], body["request_id"]) == (status, "r-1")


@pytest.mark.parametrize(("asked", "told"), [("7", "7"), ("0", "1"), ("99999", "1"), ("x", "1"), ("", "1")])
def test_retry_after_follows_the_route_within_reason(ask, asked, told):
    assert ask("GET", f"/problems/429?retry_after={asked}").headers["retry-after"] == told


@pytest.mark.parametrize("path", ["/nothing", "/problems/200", "/problems/999999", "/problems/x"])
def test_anything_else_is_a_404(ask, path):
    assert (ask("GET", path).status_code, ask("GET", path).json()["code"]) == (404, "not_found")


def test_the_paths_of_a_dead_service_are_a_503(ask):
    answer = ask("DELETE", "/unavailable/api/orders/7/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert json.loads(answer.text)["code"] == "unavailable"


def test_it_is_alive(ask):
    assert [ask("GET", path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]


@pytest.mark.parametrize("name", ["verify-email", "reset-password"])
@pytest.mark.parametrize("end", ["", "/"])
def test_the_pages_that_mails_lead_to_load_nothing_from_elsewhere(ask, name, end):
    page = ask("GET", f"/account/{name}{end}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:href|src|data-path)="([^"]+)"', page.text)
    assert loaded
    assert all(path.startswith(("/account/", "/api/auth/")) for path in loaded)
    for path in loaded:
        if path.startswith("/account/"):
            assert ask("GET", path).status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=", page.text), "the policy would not let it run"


def test_nothing_else_is_given_out_from_their_folder(ask):
    for path in ("/account/", "/account/reset-password.html", "/account/../main.py", "/account/%2e%2e/main.py"):
        assert ask("GET", path).status_code == 404


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(ask, path):
    page = ask("GET", path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert ask("GET", f"{path}/" if path != "/" else "/").text == page.text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|https?://", page.text)
    assert re.findall(r'<a href="([^"]*)" aria-current="page">', page.text) == [path]
    assert len(re.findall(r"<(?:!doctype html|head|title|body|main|h1)\b", page.text)) == 6
    for loaded in set(re.findall(r'(?:href|src)="(/[^"]*)"', page.text)) - {"/docs/openapi.json"}:
        assert ask("GET", loaded).status_code == 200, loaded


def test_the_scripts_and_styles_of_the_pages_name_no_other_place():
    for file in (FOLDER / "parts").iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn|innerHTML|insertAdjacentHTML|document\.write|eval\(", text), file.name


class _Forms(HTMLParser):
    """Finds forms that are to be seen before a script has run, and those that would send what is typed as a query."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.found, self.wrong = 0, []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag in ("section", "div", "form"):
            self.open.append("hidden" in attributes)
        if tag == "input" and attributes.get("type") == "password":
            self.found += 1
            self.wrong += [] if any(self.open) else ["a password can be typed before there is a script"]
        if tag == "form" and attributes.get("id") != "filter" and attributes.get("method") not in ("post", "dialog"):
            self.wrong.append(self.get_starttag_text())

    def handle_endtag(self, tag):
        if tag in ("section", "div", "form"):
            self.open.pop()


@pytest.mark.parametrize("path", ["/docs", "/admin", "/account/reset-password/", "/account/verify-email/"])
def test_no_password_gets_into_an_address_where_a_script_fails(ask, path):
    forms = _Forms()
    forms.feed(ask("GET", path).text)
    assert forms.found or path == "/account/verify-email/"
    assert forms.wrong == []


@pytest.mark.parametrize(
    "path",
    ["/", "/docs/asyncapi.json", "/static/parts/style.css", "/static/vendor/swagger-ui/swagger-ui.css"],
)
def test_what_has_not_changed_is_not_sent_again(ask, path):
    answer = ask("GET", path)
    assert answer.headers["cache-control"] == "no-cache"
    again = ask("GET", path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        *("/static/", "/static/parts", "/static/parts/", "/static/parts/none.js", "/static/index.html"),
        *("/static/frame.html", "/static/parts/%2e%2e/%2e%2e/main.py", "/static/vendor/swagger-ui/"),
    ],
)
def test_no_other_file_is_given_out(ask, path):
    assert ask("GET", path).status_code == 404


def test_files_of_others_are_those_that_are_named():
    named = re.findall(
        r"^\| `(\S+)`.*`([0-9a-f]{64})` \|$", (FOLDER / "vendor" / "README.md").read_text(), re.MULTILINE
    )
    there = {path for path in (FOLDER / "vendor").rglob("*") if path.is_file() and path.name != "README.md"}
    assert {FOLDER / "vendor" / name for name, _ in named} == there
    for name, digest in named:
        assert hashlib.sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("path", ["/docs/openapi.json", "/docs/openapi/orders.json"])
def test_the_document_of_a_dead_service_is_a_503(ask, path):
    answer = ask("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("name", ["portal", "mysql", "ORDERS"])
def test_only_services_have_documents(ask, name):
    assert ask("GET", f"/docs/openapi/{name}.json").status_code == 404


def test_the_events_are_told_as_an_asyncapi_document(ask):
    answer = ask("GET", "/docs/asyncapi.json")
    assert (answer.headers["content-type"], answer.json()["asyncapi"]) == ("application/json", "3.0.0")


def test_documents_become_one_without_mixing_up_what_is_called_alike():
    def document(path, kind):
        schema = {"$ref": "#/components/schemas/View"}
        components = {"schemas": {"View": {"type": kind}}, "securitySchemes": {"bearer": {"type": "http"}}}
        return json.dumps({"paths": {path: {"get": schema}}, "components": components}).encode()

    merged = merge({"cart": document("/api/cart/", "object"), "orders": document("/api/orders/", "array")}, ["auth"])
    assert merged["paths"]["/api/orders/"] == {"get": {"$ref": "#/components/schemas/orders.View"}}
    assert merged["components"]["schemas"] == {"cart.View": {"type": "object"}, "orders.View": {"type": "array"}}
    assert merged["components"]["securitySchemes"] == {"bearer": {"type": "http"}}
    assert merged["x-missing"] == ["auth"]
    assert "auth" in merged["info"]["description"]


def test_a_document_is_asked_for_once_by_many():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(200, content=b"{}")

    async def many():
        documents = Documents({"cart": "http://cart"})
        documents._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        found = await asyncio.gather(*(documents.one("cart") for _ in range(20)))
        await documents.close()
        return found

    assert {made.content for made in asyncio.run(many())} == {b"{}"}
    assert asked == ["http://cart/openapi.json"]


def test_documents_are_merged_anew_only_when_one_has_changed(monkeypatch):
    merged = []
    monkeypatch.setattr("portal.documents.merge", lambda found, missing: merged.append((found, missing)) or len(merged))
    monkeypatch.setattr("portal.documents.REMEMBER_S", 0.0)
    texts = {"cart": b"1", "orders": b"1"}

    def answer(request):
        text = texts.get(request.url.host)
        return httpx.Response(200, content=text) if text else httpx.Response(503)

    async def tags(*changes):
        documents = Documents({name: f"http://{name}" for name in texts})
        documents._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        found = []
        for change in changes:
            texts.update(change)
            found.append((await documents.all()).etag)
        await documents.close()
        return found

    monkeypatch.setattr("portal.documents.REMEMBER_NONE_S", 0.0)
    found = asyncio.run(tags({}, {}, {"cart": b"2"}, {}, {"orders": b""}, {}))
    assert found[0] == found[1] != found[2] == found[3] != found[4] == found[5]
    assert [missing for _, missing in merged] == [[], [], ["orders"]]
