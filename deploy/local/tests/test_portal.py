"""The portal by itself: health of the whole, and problem pages."""

import asyncio
import json
import re

import httpx
import pytest

from portal.main import build
from portal.settings import Settings

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
