"""Makes the first administrator by command, and the demo customer and catalogue through the gateway."""

import csv
import time
from pathlib import Path
from typing import Any

import httpx

from stoa.encryption import trusted
from stoa.operating import Way
from stoa.preflight import NotNow
from stoa.settings import Settings

PRODUCTS = Path(__file__).with_name("demo.csv")


def make_admin(settings: Settings, auth: Way) -> None:
    """Create the administrator; a repeat changes nothing."""
    account = ["--username", settings.admin_username, "--email", settings.admin_email]
    done = auth.captured("create-admin", *account, STOA_ADMIN_PASSWORD=settings.admin_password)
    if done.returncode != 0:
        raise NotNow("The administrator cannot be created.", "\n".join((done.stdout + done.stderr).splitlines()[-15:]))


def seed(settings: Settings) -> None:
    """Register the demo customer and fill an empty catalogue."""
    with httpx.Client(base_url=settings.url, timeout=30, verify=trusted(settings), trust_env=False) as http:
        _register(http, settings)
        if first_product(settings) is None:
            token = _sign_in(http, settings)
            for product in _products():
                _send(http, "/api/products/", product, {201, 409}, token)


def first_product(settings: Settings) -> int | None:
    """The id of a product that can be ordered, None in an empty catalogue."""
    with httpx.Client(base_url=settings.url, timeout=30, verify=trusted(settings), trust_env=False) as http:
        answer = http.get("/api/products/", params={"page_size": 1})
    if not answer.is_success:
        raise NotNow(f"GET /api/products/ was answered with {answer.status_code}.", answer.text[:500])
    results = answer.json()["results"]
    return int(results[0]["id"]) if results else None


def _register(http: httpx.Client, settings: Settings) -> None:
    account = {
        "username": settings.customer_username,
        "email": settings.customer_email,
        "password": settings.customer_password,
    }
    _send(http, "/api/auth/register/", account, {201, 409})


def _sign_in(http: httpx.Client, settings: Settings) -> str:
    account = {"username": settings.admin_username, "password": settings.admin_password}
    return str(_send(http, "/api/auth/login/", account, {200})["access_token"])


def _products() -> list[dict[str, Any]]:
    with PRODUCTS.open(newline="", encoding="utf-8") as file:
        return [row | {"stock": int(row["stock"])} for row in csv.DictReader(file)]


def _send(http: httpx.Client, path: str, body: object, wanted: set[int], token: str = "") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for _ in range(5):
        answer = http.post(path, json=body, headers=headers)
        if answer.status_code not in (429, 503):
            break
        time.sleep(min(5, int(answer.headers.get("Retry-After", "1"))))
    if answer.status_code not in wanted:
        raise NotNow(f"POST {path} was answered with {answer.status_code}.", answer.text[:500])
    result: dict[str, Any] = answer.json()
    return result
