"""What a client meets at cart's door."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from common.events.catalog import ProductCreated
from common.testing.badges import Badges
from common.testing.signing import SignedUser, Signer

Made = Callable[..., ProductCreated]


# The stranger


def test_a_stranger_has_nothing_to_merge_into_and_is_asked_to_sign_in(client: TestClient) -> None:
    answer = client.post("/api/cart/merge/", json={"cart_token": "a" * 22})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_of_someone_else_s_making_opens_nothing(client: TestClient, catalog: Any) -> None:
    forged = Signer().user()

    assert client.get("/api/cart/", headers=forged.headers).status_code == 401


# The other person


def test_everyone_has_a_cart_of_their_own(client: TestClient, signer: Signer, copied: Made) -> None:
    lantern = copied()
    one, other = signer.user(), signer.user()
    client.post("/api/cart/add_item/", json={"product_id": lantern.product_id}, headers=one.headers)

    assert client.get("/api/cart/", headers=other.headers).json()["items"] == []
    answer = client.post("/api/cart/remove_item/", json={"product_id": lantern.product_id}, headers=other.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_in_cart")


# The missing thing


def test_a_cart_that_nothing_was_put_in_is_empty_and_stays_the_same(
    client: TestClient, user: SignedUser, seen: Callable[[], Any]
) -> None:
    first = client.get("/api/cart/", headers=user.headers)

    cart = first.json()
    assert cart == {
        "id": cart["id"],
        "user": str(user.id),
        "items": [],
        "total": "0.00",
        "currency": "GBP",
        "version": 0,
        "problems": [],
    }
    assert client.get("/api/cart/", headers=user.headers).headers["etag"] == first.headers["etag"]
    assert seen() == cart


@pytest.mark.parametrize("word", ["update_item", "remove_item"])
def test_what_is_not_in_the_cart_cannot_be_changed(say: Callable[..., Any], copied: Made, word: str) -> None:
    body = {"product_id": copied().product_id} | ({"quantity": 2} if word == "update_item" else {})
    answer = say(word, body)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_in_cart")


def test_a_product_that_nobody_knows_is_not_found(say: Callable[..., Any]) -> None:
    answer = say("add_item", {"product_id": 2**63 - 1})

    assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found")


@pytest.mark.parametrize("status", ["archived", "draft"])
def test_a_product_that_is_not_on_sale_is_not_found(say: Callable[..., Any], copied: Made, status: str) -> None:
    answer = say("add_item", {"product_id": copied(status=status).product_id})

    assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found")


# The good way


def test_what_is_put_in_can_be_read_again(
    client: TestClient, user: SignedUser, say: Callable[..., Any], seen: Callable[[], Any], copied: Made
) -> None:
    empty = seen()
    lantern, rope = copied(price=Decimal("12.50")), copied(price=Decimal("0.99"), sku=None, availability="low_stock")
    say("add_item", {"product_id": lantern.product_id, "quantity": 2})
    answer = say("add_item", {"product_id": rope.product_id})

    cart = answer.json()
    assert answer.status_code == 200
    assert cart == seen()
    assert cart["id"] == empty["id"]
    assert (cart["total"], cart["version"], cart["problems"]) == ("25.99", 2, [])
    first, second = cart["items"]
    assert first == {
        "id": first["id"],
        "product": {
            "id": lantern.product_id,
            "sku": lantern.sku,
            "name": lantern.name,
            "price": "12.50",
            "currency": "GBP",
            "availability": "in_stock",
        },
        "quantity": 2,
        "unit_price": "12.50",
        "total_price": "25.00",
        "price_changed": False,
        "available": True,
    }
    assert (second["product"]["sku"], second["product"]["availability"]) == (None, "low_stock")
    assert client.get("/api/cart", headers=user.headers).json() == cart


def test_adding_again_adds_up_in_the_same_line(say: Callable[..., Any], copied: Made) -> None:
    body = {"product_id": copied().product_id, "quantity": 3}
    before = say("add_item", body).json()["items"]
    after = say("add_item", body).json()["items"]

    assert [item["quantity"] for item in after] == [6]
    assert after[0]["id"] == before[0]["id"]


def test_updating_sets_and_zero_takes_out(say: Callable[..., Any], copied: Made) -> None:
    number = copied().product_id
    say("add_item", {"product_id": number, "quantity": 3})

    assert say("update_item", {"product_id": number, "quantity": 7}).json()["items"][0]["quantity"] == 7
    assert say("update_item", {"product_id": number, "quantity": 0}).json()["items"] == []


def test_removing_takes_one_line_and_clearing_all(say: Callable[..., Any], copied: Made) -> None:
    numbers = [copied().product_id for _ in range(3)]
    for number in numbers:
        say("add_item", {"product_id": number})

    left = say("remove_item", {"product_id": numbers[1]}).json()["items"]
    assert [item["product"]["id"] for item in left] == [numbers[0], numbers[2]]
    assert say("clear").json()["items"] == []


def test_the_version_grows_with_each_change_and_with_nothing_else(say: Callable[..., Any], copied: Made) -> None:
    number = copied().product_id
    versions = [
        answer.json()["version"]
        for answer in (
            say("clear"),
            say("add_item", {"product_id": number}),
            say("update_item", {"product_id": number, "quantity": 4}),
            say("update_item", {"product_id": number, "quantity": 4}),
            say("remove_item", {"product_id": number}),
            say("clear"),
            say("add_item", {"product_id": number}),
            say("clear"),
        )
    ]

    assert versions == [0, 1, 2, 2, 3, 3, 4, 5]


def test_a_moved_price_shows_until_the_product_is_put_in_anew(
    say: Callable[..., Any], seen: Callable[[], Any], copied: Made
) -> None:
    lantern = copied(price=Decimal("12.50"))
    say("add_item", {"product_id": lantern.product_id, "quantity": 2})
    copied(product_id=lantern.product_id, price=Decimal("15.00"), version=2)

    (item,) = seen()["items"]
    assert (item["unit_price"], item["total_price"], item["price_changed"]) == ("15.00", "30.00", True)
    (item,) = say("add_item", {"product_id": lantern.product_id}).json()["items"]
    assert (item["total_price"], item["price_changed"]) == ("45.00", True)
    say("remove_item", {"product_id": lantern.product_id})
    (item,) = say("add_item", {"product_id": lantern.product_id}).json()["items"]
    assert (item["unit_price"], item["price_changed"]) == ("15.00", False)


@pytest.mark.parametrize(
    ("change", "code", "refusal"),
    [
        ({"status": "archived"}, "product_unavailable", 404),
        ({"availability": "out_of_stock"}, "insufficient_stock", 409),
    ],
)
def test_a_line_that_could_not_be_ordered_stays_and_is_told(
    say: Callable[..., Any], seen: Callable[[], Any], copied: Made, change: dict[str, str], code: str, refusal: int
) -> None:
    lantern, rope = copied(), copied()
    for number in (lantern.product_id, rope.product_id):
        say("add_item", {"product_id": number, "quantity": 3})
    copied(product_id=lantern.product_id, version=2, **change)

    cart = seen()
    assert [item["available"] for item in cart["items"]] == [False, True]
    assert [(problem["product_id"], problem["code"]) for problem in cart["problems"]] == [(lantern.product_id, code)]
    assert lantern.name in cart["problems"][0]["detail"]
    fewer = say("update_item", {"product_id": lantern.product_id, "quantity": 1})
    assert fewer.status_code == 200
    assert say("update_item", {"product_id": lantern.product_id, "quantity": 2}).status_code == refusal


def test_orders_gets_the_lines(
    client: TestClient, user: SignedUser, say: Callable[..., Any], copied: Made, badges: Badges
) -> None:
    def ask(whose: object) -> Any:
        return client.get(f"/internal/carts/{whose}/", headers=badges.headers("orders", to="cart"))

    numbers = [copied().product_id for _ in range(2)]
    for number in numbers:
        say("add_item", {"product_id": number, "quantity": number % 7 + 1})

    assert ask(user.id).json() == {"items": [{"product_id": number, "quantity": number % 7 + 1} for number in numbers]}
    assert ask(uuid4()).json() == {"items": []}
    assert ask("nobody").status_code == 404
