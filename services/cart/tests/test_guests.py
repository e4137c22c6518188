"""Carts of guests: begun by the first thing put in, found by a token, gone after a month without a change."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update

from cart.holders import Holder
from cart.models import KEEP_GUESTS, Cart
from common.clock import now
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.testing.signing import SignedUser, Signer

from .looking import NewGuest, Shown

Made = Callable[..., ProductCreated]

DOORS = [
    ("GET", "", None),
    ("POST", "add_item/", {"product_id": 1}),
    ("POST", "update_item/", {"product_id": 1, "quantity": 1}),
    ("POST", "remove_item/", {"product_id": 1}),
    ("POST", "clear/", None),
    ("POST", "validate/", None),
]
NO_TOKENS = ["A" * 22, "", "short", "A" * 23, "A" * 21 + "!", "\u00e9" * 22, "' OR 1=1 --", "A" * 4000]


def ask(client: TestClient, method: str, word: str, body: Any = None, headers: Shown | None = None) -> Any:
    return client.request(method, f"/api/cart/{word}", json=body, headers=headers)


def read(client: TestClient, shown: Shown) -> Any:
    return ask(client, "GET", "", headers=shown).json()


def add(client: TestClient, number: int, shown: Shown | None = None, **more: Any) -> Any:
    return ask(client, "POST", "add_item/", {"product_id": number} | more, shown)


def row_of(sessions: Sessions, shown: Shown) -> Cart:
    with sessions.begin() as session:
        return session.get_one(Cart, Holder.guest(shown["X-Cart-Token"]).cart_id)


def count(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return session.scalar(select(func.count()).select_from(Cart)) or 0


def ends(sessions: Sessions, shown: Shown, left: timedelta) -> None:
    """Let the cart have so much time left."""
    with sessions.begin() as session:
        of_guest = update(Cart).where(Cart.id == Holder.guest(shown["X-Cart-Token"]).cart_id)
        session.execute(of_guest.values(expires_at=now() + left))


# Nobody's


def test_a_stranger_sees_an_empty_cart_which_is_none(client: TestClient, sessions: Sessions) -> None:
    before = count(sessions)
    answer = ask(client, "GET", "")

    cart = answer.json()
    assert answer.status_code == 200
    assert "x-cart-token" not in answer.headers
    assert (cart["id"], cart["user"], cart["items"], cart["version"], cart["total"]) == (None, None, [], 0, "0.00")
    assert ask(client, "GET", "", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert count(sessions) == before


def test_a_stranger_has_nothing_to_change_and_no_cart_is_made(
    client: TestClient, copied: Made, sessions: Sessions
) -> None:
    before, number = count(sessions), copied().product_id
    answers = [
        ask(client, "POST", "update_item/", {"product_id": number, "quantity": 1}),
        ask(client, "POST", "remove_item/", {"product_id": number}),
        ask(client, "POST", "clear/"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 200]
    assert {answer.json()["code"] for answer in answers[:2]} == {"not_in_cart"}
    assert count(sessions) == before


# Tokens that name nothing


@pytest.mark.parametrize(("method", "word", "body"), DOORS)
@pytest.mark.parametrize("token", NO_TOKENS)
def test_a_token_that_names_no_cart_is_refused_everywhere(
    client: TestClient, method: str, word: str, body: Any, token: str
) -> None:
    sent = {b"X-Cart-Token": token.encode("latin-1")}
    answer = client.request(method, f"/api/cart/{word}", json=body, headers=sent)  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_cart")
    assert "x-cart-token" not in answer.headers


@pytest.mark.parametrize(("method", "word", "body"), DOORS)
def test_a_cart_is_over_a_month_after_its_last_change(
    client: TestClient, guest: NewGuest, copied: Made, sessions: Sessions, method: str, word: str, body: Any
) -> None:
    shown = guest(copied())
    ends(sessions, shown, -timedelta(seconds=1))

    answer = ask(client, method, word, body, shown)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_cart")


def test_a_token_that_is_over_is_not_worth_a_question_to_catalog(
    client: TestClient, product: Made, catalog: Any
) -> None:
    before = len(catalog.asked)
    answer = add(client, product().product_id, {"X-Cart-Token": "A" * 22})

    assert answer.json()["code"] == "unknown_cart"
    assert len(catalog.asked) == before


# The good way


def test_the_first_thing_put_in_makes_a_cart_and_gives_its_token_once(
    client: TestClient, copied: Made, sessions: Sessions
) -> None:
    lantern, before = copied(), count(sessions)
    first = add(client, lantern.product_id, quantity=2)
    token = first.headers["x-cart-token"]
    shown = {"X-Cart-Token": token}
    second = add(client, lantern.product_id, shown)

    assert re.fullmatch("[A-Za-z0-9_-]{22}", token)
    assert first.headers["cache-control"] == "no-store"
    assert "x-cart-token" not in second.headers
    cart = read(client, shown)
    assert (cart["user"], cart["version"], cart["items"][0]["quantity"]) == (None, 2, 3)
    assert cart == second.json()
    assert cart["id"] == first.json()["id"]
    assert count(sessions) == before + 1


def test_a_guest_can_do_what_a_user_can(client: TestClient, guest: NewGuest, copied: Made) -> None:
    lantern, rope = copied(), copied()
    shown = guest(lantern, rope)
    sets = ask(client, "POST", "update_item/", {"product_id": rope.product_id, "quantity": 5}, shown)
    removes = ask(client, "POST", "remove_item/", {"product_id": lantern.product_id}, shown)

    assert [item["quantity"] for item in sets.json()["items"]] == [1, 5]
    assert [item["product"]["id"] for item in removes.json()["items"]] == [rope.product_id]
    assert ask(client, "POST", "clear/", headers=shown).json()["items"] == []
    assert read(client, shown)["version"] == 5


def test_guests_have_carts_of_their_own(client: TestClient, guest: NewGuest, copied: Made) -> None:
    one, other = guest(copied()), guest(copied())

    assert one != other
    assert read(client, one)["id"] != read(client, other)["id"]
    assert len(read(client, other)["items"]) == 1


def test_an_older_version_is_refused_to_guests_too(client: TestClient, guest: NewGuest, copied: Made) -> None:
    lantern = copied()
    shown = guest(lantern)
    tag = ask(client, "GET", "", headers=shown).headers["etag"]

    assert add(client, lantern.product_id, shown | {"If-Match": tag}).status_code == 200
    assert add(client, lantern.product_id, shown | {"If-Match": tag}).status_code == 412
    assert add(client, lantern.product_id, {"If-Match": '"1"'}).status_code == 412
    assert add(client, lantern.product_id, {"If-Match": '"0"'}).status_code == 200


def test_who_has_signed_in_has_the_own_cart_whatever_token_comes_along(
    client: TestClient, guest: NewGuest, copied: Made, user: SignedUser
) -> None:
    lantern = copied()
    shown = guest(lantern)
    both = shown | user.headers
    answer = add(client, lantern.product_id, both, quantity=7)

    assert (answer.json()["user"], answer.json()["items"][0]["quantity"]) == (str(user.id), 7)
    assert "x-cart-token" not in answer.headers
    assert read(client, user.headers | {"X-Cart-Token": "nonsense"}) == answer.json()
    assert read(client, shown)["items"][0]["quantity"] == 1


def test_a_cart_s_token_does_not_make_a_bad_sign_in_good(client: TestClient, guest: NewGuest, copied: Made) -> None:
    shown = guest(copied())

    assert ask(client, "GET", "", headers=shown | Signer().user().headers).status_code == 401


def test_a_change_puts_the_end_off_and_a_look_does_not(
    client: TestClient, guest: NewGuest, copied: Made, sessions: Sessions
) -> None:
    lantern = copied()
    shown = guest(lantern)
    made = row_of(sessions, shown)
    ends(sessions, shown, timedelta(minutes=1))
    read(client, shown)
    ask(client, "POST", "validate/", headers=shown)
    looked_at = row_of(sessions, shown)
    add(client, lantern.product_id, shown)
    changed = row_of(sessions, shown)

    assert made.expires_at == made.updated_at + KEEP_GUESTS
    assert looked_at.expires_at is not None
    assert looked_at.expires_at < now() + timedelta(minutes=1)
    assert changed.expires_at == changed.updated_at + timedelta(days=30)


# What is kept, by us and by others


def test_the_token_is_kept_nowhere(client: TestClient, copied: Made, sessions: Sessions) -> None:
    key = "a key of thirty-two characters.."
    answer = add(client, copied().product_id, {"Idempotency-Key": key})
    token = answer.headers["x-cart-token"]

    with sessions.begin() as session:
        kept = [
            str(row)
            for table in ("carts", "cart_lines", "idempotency_keys")
            for row in session.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - named above
        ]
    ids = UUID(answer.json()["id"]).bytes
    assert any(str(ids) in row for row in kept)
    assert not [row for row in kept if token in row or key in row]


@pytest.mark.parametrize(("method", "word", "body"), DOORS)
def test_no_cache_keeps_a_cart_for_others(
    client: TestClient, guest: NewGuest, copied: Made, user: SignedUser, method: str, word: str, body: Any
) -> None:
    number = copied().product_id
    body = body and body | {"product_id": number}
    shown = guest(copied())
    for headers in (shown, {"X-Cart-Token": "A" * 22}, user.headers):
        assert ask(client, method, word, body, headers).headers["cache-control"] == "private, no-cache"
    assert ask(client, "GET", "").headers["cache-control"] == "private, no-cache"
