"""What a wish to order may say, and what is answered to one that cannot be."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.testing.signing import SignedUser
from common.testing.sisters import FakeSister

from .conftest import Shelves

LINE = {"product_id": 1, "quantity": 1}
CONTACT = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+44 (0)20 7946-0000"}
ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 St James's Sq.",
    "line2": "Flat 3",
    "city": "London",
    "region": "Greater London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}
LEAST = {"name": "Zoë", "line1": "Κυδαθηναίων 1", "city": "Αθήνα", "postal_code": "10558", "country": "GR"}


def order(client: TestClient, buyer: SignedUser, **body: Any) -> Any:
    return client.post("/api/orders/", json={"items": [LINE]} | body, headers=buyer.headers)


@pytest.mark.parametrize("address", [ADDRESS, LEAST], ids=["all", "least"])
@pytest.mark.parametrize("contact", [CONTACT, {"email": "ada@example.com"}, {}], ids=["all", "mail", "nothing"])
def test_an_order_keeps_contact_address_and_note_as_they_were_given(
    client: TestClient, shelves: Shelves, ada: SignedUser, contact: dict[str, str], address: dict[str, str]
) -> None:
    note = "Ring twice.\nBeware of the cat 🐈"
    placed = order(client, ada, contact=contact, shipping_address=address, note=note)
    assert placed.status_code == 201, placed.text
    read = client.get(placed.headers["location"], headers=ada.headers).json()
    assert read == placed.json()
    assert (read["contact"], read["shipping_address"], read["note"]) == (contact, address, note)


def test_without_them_there_are_none(client: TestClient, shelves: Shelves, ada: SignedUser) -> None:
    for body in ({}, {"contact": None, "shipping_address": None}):
        placed = order(client, ada, **body).json()
        assert (placed["contact"], placed["shipping_address"], placed["note"], placed["tracking"]) == (
            None,
            None,
            "",
            "",
        )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"contact": []}, "contact"),
        ({"contact": CONTACT | {"email": "ada"}}, "contact.email"),
        ({"contact": CONTACT | {"phone": "call me"}}, "contact.phone"),
        ({"contact": CONTACT | {"name": "x" * 201}}, "contact.name"),
        ({"contact": CONTACT | {"name": "Ada\r\nBcc: all@example.com"}}, "contact.name"),
        ({"contact": CONTACT | {"fax": "1"}}, "contact.fax"),
        ({"shipping_address": "12 St James's Sq."}, "shipping_address"),
        ({"shipping_address": {}}, "shipping_address.name"),
        ({"shipping_address": ADDRESS | {"line1": " "}}, "shipping_address.line1"),
        ({"shipping_address": ADDRESS | {"city": "x" * 201}}, "shipping_address.city"),
        ({"shipping_address": ADDRESS | {"postal_code": "x" * 21}}, "shipping_address.postal_code"),
        ({"shipping_address": ADDRESS | {"country": "gb"}}, "shipping_address.country"),
        ({"shipping_address": ADDRESS | {"country": "GBR"}}, "shipping_address.country"),
        ({"shipping_address": ADDRESS | {"planet": "Earth"}}, "shipping_address.planet"),
        ({"note": "x" * 1001}, "note"),
        ({"note": "\x00"}, "note"),
        ({"note": 7}, "note"),
        ({"expected_total": "-1"}, "expected_total"),
        ({"expected_total": "1.005"}, "expected_total"),
        ({"expected_total": True}, "expected_total"),
        ({"items": [LINE | {"quantity": 1.5}]}, "items.0.quantity"),
        ({"items": [LINE | {"quantity": -1}]}, "items.0.quantity"),
        ({"items": [LINE | {"product_id": 0}]}, "items.0.product_id"),
        ({"items": [{"product_id": 1}]}, "items.0.quantity"),
        ({"items": {}}, "items"),
        ({"user": "somebody else"}, "user"),
        ({"status": "delivered"}, "status"),
    ],
)
def test_what_cannot_be_is_a_400_that_names_the_field(
    client: TestClient, shelves: Shelves, ada: SignedUser, body: dict[str, Any], field: str
) -> None:
    answer = order(client, ada, **body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.text
    assert list(answer.json()["errors"]) == [field] or field in answer.json()["errors"]
    assert shelves.calls == 0


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content": b""},
        {"content": b"", "headers": {"Content-Type": "application/json"}},
        {"json": {}},
        {"json": {"items": None}},
        {"json": {"note": "the cart, please"}},
    ],
    ids=["nothing", "no bytes", "no JSON", "empty object", "no items", "a note alone"],
)
def test_whoever_names_no_items_orders_the_cart(
    client: TestClient, shelves: Shelves, cart: FakeSister, ada: SignedUser, sent: dict[str, Any]
) -> None:
    lines = {"items": [{"product_id": 2, "quantity": 3}, LINE]}
    cart.answer("GET", f"/internal/carts/{ada.id}/", lambda *_: (200, lines))
    headers = ada.headers | sent.pop("headers", {})
    answer = client.post("/api/orders/", headers=headers, **sent)
    assert answer.status_code == 201, answer.text
    assert [(line["product"]["id"], line["quantity"]) for line in answer.json()["items"]] == [(1, 1), (2, 3)]


@pytest.mark.parametrize("sent", [b"{", b"\xff", b'{"items": [', b"[" * 100_000, b'{"note": "\\ud800"}'])
def test_what_is_no_json_is_a_400(client: TestClient, shelves: Shelves, ada: SignedUser, sent: bytes) -> None:
    headers = ada.headers | {"Content-Type": "application/json"}
    answer = client.post("/api/orders/", content=sent, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_pieces_of_one_product_count_together_in_one_line_or_many(
    client: TestClient, shelves: Shelves, ada: SignedUser
) -> None:
    shelves.stock = {1: 5000}
    whole = order(client, ada, items=[LINE | {"quantity": 500}, LINE | {"quantity": 499}])
    assert [(line["product"]["id"], line["quantity"]) for line in whole.json()["items"]] == [(1, 999)]
    beyond = order(client, ada, items=[LINE | {"quantity": 500}, LINE | {"quantity": 500}])
    assert (beyond.status_code, beyond.json()["code"]) == (409, "quantity_limit")


def test_a_hundred_lines_are_an_order_and_one_more_is_none(
    client: TestClient, shelves: Shelves, cart: FakeSister, ada: SignedUser
) -> None:
    shelves.stock = dict.fromkeys(range(1, 102), 5)
    lines = [{"product_id": product, "quantity": 1} for product in range(101, 0, -1)]
    assert len(order(client, ada, items=lines[:100]).json()["items"]) == 100
    assert order(client, ada, items=lines).status_code == 400
    cart.answer("GET", "/internal/carts/", lambda *_: (200, {"items": lines}))
    answer = client.post("/api/orders/", headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "order_full")


def test_a_shortage_is_told_line_by_line_and_nothing_is_held(
    client: TestClient, shelves: Shelves, ada: SignedUser
) -> None:
    shelves.stock = {1: 5, 2: 0, 3: 1}
    items = [LINE | {"quantity": 5}, {"product_id": 3, "quantity": 2}, {"product_id": 2, "quantity": 1}]
    answer = order(client, ada, items=items)
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert answer.json()["items"] == [
        {"product_id": 2, "requested": 1, "available": 0},
        {"product_id": 3, "requested": 2, "available": 1},
    ]
    assert shelves.stock == {1: 5, 2: 0, 3: 1}


def test_what_was_never_there_is_a_404_and_what_is_off_sale_a_409_from_the_cart_too(
    client: TestClient, shelves: Shelves, cart: FakeSister, ada: SignedUser
) -> None:
    cart.answer("GET", "/internal/carts/", lambda *_: (200, {"items": [LINE]}))
    shelves.gone.add(1)
    for answer in (order(client, ada), client.post("/api/orders/", headers=ada.headers)):
        assert (answer.status_code, answer.json()["code"]) == (409, "product_unavailable")
        assert [item["product_id"] for item in answer.json()["items"]] == [1]
    missing = order(client, ada, items=[LINE, {"product_id": 2**63 - 1, "quantity": 1}])
    assert (missing.status_code, missing.json()["code"]) == (404, "product_not_found")
    assert [item["product_id"] for item in missing.json()["items"]] == [2**63 - 1]


@pytest.mark.parametrize("right", ["2.50", "2.5", 2.5, "0002.50"])
def test_the_total_that_was_expected_may_be_said_in_several_ways(
    client: TestClient, shelves: Shelves, ada: SignedUser, right: Any
) -> None:
    assert order(client, ada, expected_total=right).json()["total"] == "2.50"
    changed = order(client, ada, expected_total="2.49").json()
    assert (changed["code"], changed["total"], changed["expected"]) == ("total_changed", "2.50", "2.49")


def test_an_order_shows_what_was_bought_whatever_becomes_of_the_product(
    client: TestClient, shelves: Shelves, ada: SignedUser, admin: SignedUser
) -> None:
    placed = order(client, ada).json()
    assert placed["items"] == [
        {
            "id": 1,
            "product": {"id": 1, "sku": "SKU-1", "name": "Product 1"},
            "quantity": 1,
            "price": "2.50",
            "total_price": "2.50",
        }
    ]
    shelves.prices[1] = "9.99"
    again = order(client, ada).json()
    assert (again["items"][0]["price"], again["total"]) == ("9.99", "9.99")
    path = f"/api/orders/{placed['id']}/"
    assert client.get(path, headers=ada.headers).json() == placed
    moved = client.patch(path, json={"status": "processing"}, headers=admin.headers).json()
    assert (moved["items"], moved["total"]) == (placed["items"], placed["total"])


def test_an_order_shows_exactly_what_was_promised(client: TestClient, shelves: Shelves, ada: SignedUser) -> None:
    assert set(order(client, ada).json()) == {
        *("id", "number", "user", "status", "items", "total", "currency", "contact", "shipping_address", "note"),
        *("tracking", "created_at", "updated_at", "version"),
    }
