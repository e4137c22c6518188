"""How cart refuses: older versions, limits, bad bodies, repeated keys."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.events.catalog import ProductCreated
from common.testing.signing import SignedUser, Signer

Made = Callable[..., ProductCreated]

# Tags and versions


def test_a_client_that_has_the_cart_already_is_told_so(
    client: TestClient, user: SignedUser, say: Callable[..., Any], copied: Made
) -> None:
    lantern = copied()
    tag = say("add_item", {"product_id": lantern.product_id}).headers["etag"]
    asked = user.headers | {"If-None-Match": tag}

    assert client.get("/api/cart/", headers=asked).status_code == 304
    copied(product_id=lantern.product_id, price=Decimal("13.00"), version=2)
    fresh = client.get("/api/cart/", headers=asked)
    assert fresh.status_code == 200
    assert fresh.json()["total"] == "13.00"


@pytest.mark.parametrize("word", ["add_item", "update_item", "remove_item", "clear"])
def test_a_change_on_an_older_version_is_refused(
    say: Callable[..., Any], seen: Callable[[], Any], copied: Made, word: str
) -> None:
    body = {"product_id": copied().product_id, "quantity": 2}
    old = say("add_item", body).headers["etag"]
    new = say("add_item", body).headers["etag"]
    sent = {"product_id": body["product_id"]} if word == "remove_item" else body

    for tag in (old, f"W/{new}", "nonsense", '"99999999999999999999999"'):
        answer = say(word, sent, If_Match=tag)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert seen()["version"] == 2
    assert say(word, sent, If_Match=f'"0", {new}').status_code == 200
    assert seen()["version"] == 3


def test_a_first_add_can_be_tied_to_the_empty_cart(
    say: Callable[..., Any], seen: Callable[[], Any], copied: Made
) -> None:
    body = {"product_id": copied().product_id}

    assert say("add_item", body, If_Match='"0"').status_code == 200
    assert say("add_item", body, If_Match='"0"').status_code == 412
    assert say("add_item", body, If_Match="*").status_code == 200
    assert seen()["version"] == 2


# Refusals


def test_a_product_that_is_out_of_stock_cannot_be_added(
    say: Callable[..., Any], seen: Callable[[], Any], copied: Made
) -> None:
    answer = say("add_item", {"product_id": copied(availability="out_of_stock").product_id})

    assert (answer.status_code, answer.json()["code"], answer.json()["available"]) == (409, "insufficient_stock", 0)
    assert seen()["items"] == []


def test_a_line_holds_999_pieces_and_no_more(say: Callable[..., Any], seen: Callable[[], Any], copied: Made) -> None:
    number = copied().product_id
    say("add_item", {"product_id": number, "quantity": 998})
    assert say("add_item", {"product_id": number}).status_code == 200

    answer = say("add_item", {"product_id": number})
    assert (answer.status_code, answer.json()["code"]) == (409, "quantity_limit")
    cart = seen()
    assert (cart["items"][0]["quantity"], cart["version"]) == (999, 2)


def test_a_cart_holds_100_products_and_no_more(say: Callable[..., Any], seen: Callable[[], Any], copied: Made) -> None:
    numbers = [copied().product_id for _ in range(101)]
    for number in numbers[:100]:
        say("add_item", {"product_id": number})

    answer = say("add_item", {"product_id": numbers[100]})
    assert (answer.status_code, answer.json()["code"]) == (409, "cart_full")
    assert say("add_item", {"product_id": numbers[0]}).status_code == 200
    assert len(seen()["items"]) == 100


BAD_BODIES: list[Any] = [
    None,
    [],
    "lantern",
    {},
    {"product_id": None},
    {"product_id": "1"},
    {"product_id": 0},
    {"product_id": -1},
    {"product_id": 1.5},
    {"product_id": True},
    {"product_id": 2**63},
    {"product_id": {"id": 1}},
    {"product_id": 1, "quantity": -1},
    {"product_id": 1, "quantity": 1000},
    {"product_id": 1, "quantity": 1.5},
    {"product_id": 1, "quantity": "2"},
    {"product_id": 1, "quantity": False},
    {"product_id": 1, "quantity": None},
    {"product_id": 1, "quantity": 10**30},
    {"product_id": 1, "quantity": 1, "price": "0.01"},
    {"product_id": 1, "quantity": 1, "user": "someone"},
]


@pytest.mark.parametrize("word", ["add_item", "update_item", "remove_item"])
@pytest.mark.parametrize("body", BAD_BODIES, ids=repr)
def test_a_bad_body_is_refused_with_a_reason(say: Callable[..., Any], word: str, body: Any) -> None:
    answer = say(word, body)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


def test_adding_nothing_is_refused_but_updating_to_nothing_is_not(say: Callable[..., Any], copied: Made) -> None:
    number = copied().product_id

    assert say("add_item", {"product_id": number, "quantity": 0}).status_code == 400
    assert say("update_item", {"product_id": number}).status_code == 400


@pytest.mark.parametrize(
    "raw",
    [b"{", b"\xff\xfe", b"NaN", b"[" * 10_000, b'{"product_id": 1e999}', b'{"product_id": ' + b"9" * 5000 + b"}"],
    ids=["cut", "not text", "NaN", "deep", "infinite", "long"],
)
def test_a_body_that_is_no_json_is_refused(client: TestClient, user: SignedUser, raw: bytes) -> None:
    headers = user.headers | {"Content-Type": "application/json"}

    assert client.post("/api/cart/add_item/", content=raw, headers=headers).status_code == 400


def test_the_wrong_method_is_named_as_such(client: TestClient, user: SignedUser) -> None:
    assert client.get("/api/cart/add_item/", headers=user.headers).status_code == 405
    assert client.delete("/api/cart/", headers=user.headers).status_code == 405
    assert client.get("/api/cart/nothing/", headers=user.headers).status_code == 404


# Repeats


def test_the_same_key_adds_once(say: Callable[..., Any], seen: Callable[[], Any], copied: Made) -> None:
    body = {"product_id": copied().product_id, "quantity": 2}
    first = say("add_item", body, Idempotency_Key="a repeat")
    say("add_item", body)
    again = say("add_item", body, Idempotency_Key="a repeat")

    assert again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert seen()["items"][0]["quantity"] == 4


def test_a_key_belongs_to_one_body_and_one_user(
    client: TestClient, signer: Signer, say: Callable[..., Any], copied: Made
) -> None:
    body = {"product_id": copied().product_id}
    say("add_item", body, Idempotency_Key="mine")

    answer = say("add_item", body | {"quantity": 2}, Idempotency_Key="mine")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    headers = signer.user().headers | {"Idempotency-Key": "mine"}
    other = client.post("/api/cart/add_item/", json=body, headers=headers)
    assert (other.status_code, other.json()["items"][0]["quantity"]) == (200, 1)


def test_a_definite_refusal_is_repeated_too(say: Callable[..., Any], copied: Made) -> None:
    lantern = copied(availability="out_of_stock")
    first = say("add_item", {"product_id": lantern.product_id}, Idempotency_Key="refused")
    copied(product_id=lantern.product_id, availability="in_stock", version=2)
    again = say("add_item", {"product_id": lantern.product_id}, Idempotency_Key="refused")

    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (409, 409, "true")
    assert (again.json()["code"], again.json()["available"]) == ("insufficient_stock", 0)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["request_id"] == again.headers["x-request-id"]
    assert say("add_item", {"product_id": lantern.product_id}).status_code == 200


def test_a_refused_version_does_not_use_the_key_up(say: Callable[..., Any], copied: Made) -> None:
    body = {"product_id": copied().product_id}

    assert say("add_item", body, Idempotency_Key="late", If_Match='"7"').status_code == 412
    assert say("add_item", body, Idempotency_Key="late", If_Match='"0"').status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_is_none_is_refused(say: Callable[..., Any], copied: Made, key: str) -> None:
    answer = say("add_item", {"product_id": copied().product_id}, Idempotency_Key=key)

    assert answer.status_code == 400
