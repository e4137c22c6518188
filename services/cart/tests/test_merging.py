"""What a guest has put in comes into the cart of the user who signs in, once."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from cart.holders import Holder
from cart.models import Cart
from common.clock import now
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.testing.signing import SignedUser, Signer

from .looking import NewGuest, Shown, cart_of, quantities

Made = Callable[..., ProductCreated]


def ends(sessions: Sessions, shown: Shown, left: timedelta) -> None:
    """Let the guest's cart have so much time left."""
    with sessions.begin() as session:
        of_guest = update(Cart).where(Cart.id == Holder.guest(shown["X-Cart-Token"]).cart_id)
        session.execute(of_guest.values(expires_at=now() + left))


# What cannot be


@pytest.mark.parametrize("token", ["A" * 22, "", "short", "A" * 23, "é" * 22, "x" * 10_000])
def test_a_token_that_names_no_cart_cannot_be_merged(
    merge: Callable[..., Any], client: TestClient, user: SignedUser, token: str
) -> None:
    answer = merge(user, {"X-Cart-Token": token})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_cart")
    assert cart_of(client, user)["version"] == 0


@pytest.mark.parametrize(
    "body", [None, {}, [], {"cart_token": None}, {"cart_token": 1}, {"cart_token": "x", "to": "y"}]
)
def test_a_body_without_a_token_is_refused_with_a_reason(client: TestClient, user: SignedUser, body: Any) -> None:
    answer = client.post("/api/cart/merge/", json=body, headers=user.headers)

    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_a_cart_that_is_over_cannot_be_merged(
    merge: Callable[..., Any], user: SignedUser, guest: NewGuest, copied: Made, sessions: Sessions
) -> None:
    shown = guest(copied())
    ends(sessions, shown, -timedelta(seconds=1))

    assert merge(user, shown).json()["code"] == "unknown_cart"


# The good way


def test_quantities_are_added_and_new_lines_come_as_they_were(
    merge: Callable[..., Any],
    put: Callable[..., Any],
    client: TestClient,
    user: SignedUser,
    guest: NewGuest,
    copied: Made,
) -> None:
    lantern, rope, oil = copied(), copied(price=Decimal("2.00")), copied()
    shown = guest(lantern, rope, quantity=2)
    theirs = cart_of(client, shown)
    put(user, lantern, 3)
    own = put(user, oil, 4).json()
    copied(product_id=rope.product_id, version=2, price=Decimal("3.00"))
    answer = merge(user, shown)

    merged = answer.json()["cart"]
    assert (answer.status_code, answer.json()["adjustments"]) == (200, [])
    assert quantities(merged) == {lantern.product_id: 5, oil.product_id: 4, rope.product_id: 2}
    assert (merged["id"], merged["user"], merged["version"]) == (own["id"], str(user.id), 3)
    assert answer.headers["etag"] == client.get("/api/cart/", headers=user.headers).headers["etag"]
    came = next(item for item in merged["items"] if item["product"]["id"] == rope.product_id)
    assert (came["id"], came["price_changed"]) == (theirs["items"][1]["id"], True)


def test_somebody_without_a_cart_gets_one_by_merging(
    merge: Callable[..., Any], client: TestClient, user: SignedUser, guest: NewGuest, copied: Made
) -> None:
    lantern = copied()
    answer = merge(user, guest(lantern, quantity=2))

    assert quantities(answer.json()["cart"]) == {lantern.product_id: 2}
    assert cart_of(client, user) == answer.json()["cart"]


def test_a_merged_token_is_over_for_everything_else(
    merge: Callable[..., Any],
    put: Callable[..., Any],
    client: TestClient,
    signer: Signer,
    guest: NewGuest,
    copied: Made,
) -> None:
    lantern, one, other = copied(), signer.user(), signer.user()
    shown = guest(lantern)
    merge(one, shown)
    key = shown | {"Idempotency-Key": "after the end"}

    answers = [
        client.get("/api/cart/", headers=shown),
        put(shown, lantern),
        put(key, lantern),
        client.post("/api/cart/update_item/", json={"product_id": lantern.product_id, "quantity": 1}, headers=shown),
        client.post("/api/cart/remove_item/", json={"product_id": lantern.product_id}, headers=shown),
        client.post("/api/cart/clear/", headers=shown),
        client.post("/api/cart/validate/", headers=shown),
        merge(other, shown),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "unknown_cart")}
    assert cart_of(client, other)["version"] == 0
    assert quantities(cart_of(client, one)) == {lantern.product_id: 1}


def test_an_add_by_key_is_not_repeated_once_its_cart_is_merged(
    merge: Callable[..., Any], put: Callable[..., Any], user: SignedUser, copied: Made
) -> None:
    lantern, key = copied(), {"Idempotency-Key": f"a strong key for {id(merge)} {now()}"}
    shown = {"X-Cart-Token": put(key, lantern).headers["x-cart-token"]}
    assert put(shown | key, lantern).headers["idempotent-replayed"] == "true"
    merge(user, shown)

    for headers in (shown | key, key):
        answer = put(headers, lantern)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_cart")


def test_merging_again_changes_nothing_whatever_happened_since(
    merge: Callable[..., Any],
    put: Callable[..., Any],
    client: TestClient,
    user: SignedUser,
    guest: NewGuest,
    copied: Made,
) -> None:
    lantern, rope = copied(), copied()
    shown = guest(lantern, quantity=999)
    put(user, lantern, 1)
    first = merge(user, shown)
    put(user, rope)
    again = merge(user, shown, If_Match='"1"')

    assert [line["taken"] for line in first.json()["adjustments"]] == [998]
    assert (again.status_code, again.json()["adjustments"]) == (200, [])
    assert again.json()["cart"] == cart_of(client, user)
    assert quantities(again.json()["cart"]) == {lantern.product_id: 999, rope.product_id: 1}
    assert again.json()["cart"]["version"] == 3


def test_a_merge_is_remembered_until_the_cart_would_have_ended(
    merge: Callable[..., Any], user: SignedUser, guest: NewGuest, copied: Made, sessions: Sessions
) -> None:
    shown = guest(copied())
    ends(sessions, shown, timedelta(minutes=1))
    merge(user, shown)
    with sessions.begin() as session:
        kept = session.get_one(Cart, Holder.guest(shown["X-Cart-Token"]).cart_id)
    assert kept.expires_at is not None
    assert kept.expires_at < now() + timedelta(minutes=1)
    assert merge(user, shown).status_code == 200

    ends(sessions, shown, -timedelta(seconds=1))
    assert merge(user, shown).status_code == 404


def test_an_emptied_cart_is_merged_without_a_change(
    merge: Callable[..., Any], client: TestClient, user: SignedUser, guest: NewGuest, copied: Made
) -> None:
    shown = guest(copied())
    client.post("/api/cart/clear/", headers=shown)

    assert merge(user, shown).json()["cart"]["version"] == 0
    assert client.get("/api/cart/", headers=shown).status_code == 404


def test_merging_can_be_tied_to_a_version_of_the_own_cart(
    merge: Callable[..., Any],
    put: Callable[..., Any],
    client: TestClient,
    user: SignedUser,
    guest: NewGuest,
    copied: Made,
) -> None:
    lantern = copied()
    shown = guest(lantern)
    tag = put(user, lantern).headers["etag"]
    put(user, lantern)

    assert merge(user, shown, If_Match=tag).status_code == 412
    assert quantities(cart_of(client, shown)) == {lantern.product_id: 1}
    assert merge(user, shown, If_Match='"2"').status_code == 200


# Limits


def test_what_is_over_a_limit_stays_out_and_is_listed(
    merge: Callable[..., Any], put: Callable[..., Any], user: SignedUser, guest: NewGuest, copied: Made
) -> None:
    full, nearly, fits = copied(), copied(), copied()
    shown = guest(full, nearly, fits, quantity=10)
    for product, quantity in ((full, 999), (nearly, 995), (fits, 989)):
        put(user, product, quantity)
    answer = merge(user, shown).json()

    assert quantities(answer["cart"]) == dict.fromkeys((p.product_id for p in (full, nearly, fits)), 999)
    assert answer["adjustments"] == [
        {"product_id": full.product_id, "code": "quantity_limit", "requested": 10, "taken": 0},
        {"product_id": nearly.product_id, "code": "quantity_limit", "requested": 10, "taken": 4},
    ]


def test_a_full_cart_takes_the_oldest_lines_and_lists_the_others(
    merge: Callable[..., Any], put: Callable[..., Any], user: SignedUser, guest: NewGuest, copied: Made
) -> None:
    own, coming = [copied() for _ in range(98)], [copied() for _ in range(4)]
    for product in own:
        put(user, product)
    shown = guest(*reversed(coming), own[0], quantity=2)
    answer = merge(user, shown).json()

    held = quantities(answer["cart"])
    assert len(held) == 100
    assert held[own[0].product_id] == 3
    assert held.keys() >= {coming[3].product_id, coming[2].product_id}
    assert answer["adjustments"] == [
        {"product_id": product.product_id, "code": "cart_full", "requested": 2, "taken": 0}
        for product in (coming[1], coming[0])
    ]
