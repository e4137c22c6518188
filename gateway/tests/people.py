"""The people at the gateway, as the tests play them, and short words for what they do again and again."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from common.testing.waiting import eventually

from .site import PATIENCE_S, Letter, Site

PASSWORD = "figs and olives 7"
PROBLEM = "application/problem+json"

Json = dict[str, Any]
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Visitor:
    """Somebody who is not signed in."""

    http: httpx.Client
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """A request through the gateway."""
        return self.http.request(method, path, headers=self.headers | (headers or {}), **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.ask("POST", path, json=body, **more) if body is not None else self.ask("POST", path, **more)

    def put(self, path: str, body: Any) -> httpx.Response:
        return self.ask("PUT", path, json=body)

    def patch(self, path: str, body: Any) -> httpx.Response:
        return self.ask("PATCH", path, json=body)

    def delete(self, path: str) -> httpx.Response:
        return self.ask("DELETE", path)


@dataclass(frozen=True)
class Person(Visitor):
    """Somebody who has signed in."""

    id: str = ""
    username: str = ""
    email: str = ""
    token: str = ""
    refresh_token: str = ""

    def order(self, product: int, quantity: int = 1, key: str | None = None) -> httpx.Response:
        """Order some pieces of a product."""
        headers = {"Idempotency-Key": key} if key else None
        return self.post("/api/orders/", {"items": [{"product_id": product, "quantity": quantity}]}, headers=headers)


def sign_in(http: httpx.Client, username: str, password: str = PASSWORD) -> Person:
    """Begin a session."""
    said = ok(http.post("/api/auth/login/", json={"username": username, "password": password}))
    user, token = said["user"], said["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return Person(http, headers, user["id"], username, user["email"], token, said["refresh_token"])


def register(http: httpx.Client, name: str = "visitor") -> Person:
    """Open an account of a name that nobody else has, and sign in."""
    username = f"{name}-{secrets.token_hex(4)}"
    account = {"username": username, "email": f"{username}@example.com", "password": PASSWORD}
    ok(http.post("/api/auth/register/", json=account), 201)
    return sign_in(http, username)


def new_product(admin: Person, stock: int = 10, price: str = "12.50", **more: Any) -> int:
    """Put a product on sale; its id."""
    name = f"Amphora {secrets.token_hex(4)}"
    body = {"name": name, "sku": name.replace(" ", "-"), "price": price, "stock": stock}
    return int(ok(admin.post("/api/products/", body | more), 201)["id"])


def ok(answer: httpx.Response, status: int = 200) -> Json:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
    body: Json = answer.json()
    return body


def problem(answer: httpx.Response, status: int, code: str | None = None) -> Json:
    """The body of a refusal, which must be a problem of this status and code."""
    body = ok(answer, status)
    assert answer.headers["content-type"] == PROBLEM
    assert body["status"] == status
    assert body["code"] == (code or body["code"])
    assert body["type"]
    assert body["title"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def all_at_once(work: Callable[[A], B], things: Iterable[A], hands: int) -> list[B]:
    """Do all the work with so many hands."""
    with ThreadPoolExecutor(hands) as pool:
        return list(pool.map(work, things))


def statuses(answers: Iterable[httpx.Response]) -> Counter[int]:
    """How often each status was answered."""
    return Counter(answer.status_code for answer in answers)


def numbers_of(visitor: Visitor, product: int) -> tuple[int, int, int]:
    """A product's stock, its sold count in catalog, and its sold count in realtime."""
    shown = ok(visitor.get(f"/api/products/{product}/"))
    counted = ok(visitor.get("/api/realtime/products/", params={"ids": product}))["data"]
    return shown["stock"], shown["sold_count"], counted[0]["sold_count"]


def wait_for_numbers(visitor: Visitor, product: int, stock: int, sold: int, seconds: float = PATIENCE_S) -> None:
    """Return once catalog and realtime agree on these."""

    def agree() -> bool:
        seen = numbers_of(visitor, product)
        assert seen == (stock, sold, sold)
        return True

    eventually(agree, seconds)


def mails_to(site: Site, *emails: str) -> list[Letter]:
    """What lies in the mailbox for these addresses, newest first."""
    return site.letters(*emails)


def subjects_to(site: Site, *emails: str) -> Counter[str]:
    """The subjects of the mails to these addresses, and how often each came."""
    return Counter(mail.subject for mail in mails_to(site, *emails))
