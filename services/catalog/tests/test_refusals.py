"""Bad bodies: each is refused with a reason, none makes a 500."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.testing.badges import Badges
from common.testing.signing import SignedUser

GOOD = {"name": "Lamp", "price": "1.00"}
BAD = {
    "nothing": {},
    "no name": {"price": "1.00"},
    "no price": {"name": "Lamp"},
    "an empty name": GOOD | {"name": "  "},
    "a name that is none": GOOD | {"name": 7},
    "a name too long": GOOD | {"name": "x" * 256},
    "a control character in the name": GOOD | {"name": "a\x00b"},
    "half a character": GOOD | {"name": "\ud800"},
    "null for a name": GOOD | {"name": None},
    "a price below zero": GOOD | {"price": "-0.01"},
    "three decimals": GOOD | {"price": "1.001"},
    "eleven digits": GOOD | {"price": "123456789.00"},
    "scientific notation": GOOD | {"price": "1e2"},
    "no number": GOOD | {"price": "abc"},
    "a boolean price": GOOD | {"price": True},
    "a list for a price": GOOD | {"price": [1]},
    "null for a price": GOOD | {"price": None},
    "stock below zero": GOOD | {"stock": -1},
    "half a piece": GOOD | {"stock": 1.5},
    "a boolean stock": GOOD | {"stock": False},
    "stock as text": GOOD | {"stock": "5"},
    "too much stock": GOOD | {"stock": 10**9 + 1},
    "far too much stock": GOOD | {"stock": 10**30},
    "an unknown status": GOOD | {"status": "gone"},
    "an empty sku": GOOD | {"sku": ""},
    "a long sku": GOOD | {"sku": "x" * 65},
    "a line break in the sku": GOOD | {"sku": "a\nb"},
    "a long description": GOOD | {"description": "x" * 10_001},
    "a NUL in the description": GOOD | {"description": "a\x00b"},
    "half a character in an attribute": GOOD | {"attributes": {"colour": "\ud800"}},
    "half a character in an attribute's name": GOOD | {"attributes": {"\ud800": 1}},
    "an unknown field": GOOD | {"colour": "red"},
    **{f"the server's own {name}": GOOD | {name: 1} for name in ("id", "sold_count", "on_hand", "reserved", "version")},
    "the server's own created_at": GOOD | {"created_at": "2026-01-01T00:00:00Z"},
    "the server's own availability": GOOD | {"availability": "in_stock"},
    "the deployment's currency": GOOD | {"currency": "USD"},
    "a list": [GOOD],
    "a word": "Lamp",
    "null": None,
}


@pytest.fixture(scope="module")
def path(client: TestClient, admin: SignedUser) -> str:
    """A product to change in vain."""
    product = client.post("/api/products/", json=GOOD, headers=admin.headers).json()
    return f"/api/products/{product['id']}/"


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_bad_product_is_refused(client: TestClient, admin: SignedUser, path: str, body: Any) -> None:
    before = client.get(path).json()
    headers = admin.headers | {"Content-Type": "application/json"}
    answers = [client.post("/api/products/", content=json.dumps(body), headers=headers)]
    answers.append(client.put(path, content=json.dumps(body), headers=headers))
    if not (
        isinstance(body, dict) and set(body) <= {"name", "price"} and all(v in GOOD.values() for v in body.values())
    ):
        answers.append(client.patch(path, content=json.dumps(body), headers=headers))

    for answer in answers:
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"]
    assert client.get(path).json() == before


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"name": "x", "price": 1e999}', b"NaN"])
def test_what_is_not_json_is_refused(client: TestClient, admin: SignedUser, content: bytes) -> None:
    headers = admin.headers | {"Content-Type": "application/json"}

    assert client.post("/api/products/", content=content, headers=headers).status_code == 400


def test_a_body_of_another_type_is_refused(client: TestClient, admin: SignedUser) -> None:
    answer = client.post("/api/products/", data={"name": "Lamp", "price": "1"}, headers=admin.headers)

    assert answer.status_code in (400, 415)


def test_a_large_body_is_413(client: TestClient, admin: SignedUser) -> None:
    answer = client.post("/api/products/", json=GOOD | {"description": "x" * 300_000}, headers=admin.headers)

    assert answer.status_code == 413


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_a_bad_idempotency_key_is_refused(client: TestClient, admin: SignedUser, key: str) -> None:
    headers = admin.headers | {"Idempotency-Key": key.encode("latin-1")}

    assert client.post("/api/products/", json=GOOD, headers=headers).status_code == 400


def test_another_method_is_405(client: TestClient, admin: SignedUser) -> None:
    answer = client.delete("/api/products/", headers=admin.headers)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reservations": [{}]},
        {"reservations": [{"order_id": "x", "expires_at": "2030-01-01T00:00:00Z", "lines": []}]},
        {"reservations": "all"},
    ],
)
def test_a_sister_that_speaks_nonsense_is_refused(client: TestClient, badges: Badges, body: Any) -> None:
    shown = badges.headers("orders", to="catalog")
    assert client.post("/internal/reservations/", json=body, headers=shown).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_id", "not-an-id"),
        ("expires_at", "soon"),
        ("expires_at", "0001-01-01T00:00:00+14:00"),
        ("expires_at", "2030-01-01T00:00:00"),
        ("lines", []),
        ("lines", [{"product_id": 0, "quantity": 1}]),
        ("lines", [{"product_id": 1, "quantity": 0}]),
        ("lines", [{"product_id": 1, "quantity": -1}]),
        ("lines", [{"product_id": 1, "quantity": 10**7}]),
        ("lines", [{"product_id": 2**63, "quantity": 1}]),
        ("lines", [{"product_id": 1, "quantity": True}]),
    ],
)
def test_a_bad_wish_is_refused(shop: Any, field: str, value: Any) -> None:
    wish = shop.wish({1: 1}) | {field: value}

    assert shop.ask_to_hold(wish).status_code == 400
