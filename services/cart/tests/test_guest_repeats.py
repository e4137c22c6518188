"""What a guest sends again: a first add makes one cart, with one token, however often it is sent."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from cart.models import Cart
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.testing.signing import SignedUser

from .looking import NewGuest

Made = Callable[..., ProductCreated]


@pytest.fixture
def add(client: TestClient) -> Callable[..., Any]:
    """Puts something in as a guest."""

    def post(number: int, token: str | None = None, key: str | None = None, **more: Any) -> Any:
        named = {"X-Cart-Token": token, "Idempotency-Key": key}
        headers = {name: value for name, value in named.items() if value is not None}
        return client.post("/api/cart/add_item/", json={"product_id": number} | more, headers=headers)

    return post


def count(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return session.scalar(select(func.count()).select_from(Cart)) or 0


def quantity(client: TestClient, token: str) -> int:
    items = client.get("/api/cart/", headers={"X-Cart-Token": token}).json()["items"]
    return sum(item["quantity"] for item in items)


def test_a_first_add_sent_again_finds_its_cart_and_token(
    client: TestClient, add: Callable[..., Any], copied: Made, sessions: Sessions
) -> None:
    number, key, before = copied().product_id, str(uuid4()), count(sessions)
    first, again = add(number, key=key), add(number, key=key)

    token = first.headers["x-cart-token"]
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["x-cart-token"] == token
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert quantity(client, token) == 1
    assert count(sessions) == before + 1


def test_a_first_add_from_many_hands_makes_one_cart(
    client: TestClient, add: Callable[..., Any], copied: Made, sessions: Sessions
) -> None:
    number, key, before = copied().product_id, str(uuid4()), count(sessions)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: add(number, key=key), range(30)))

    good = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    (token,) = {answer.headers["x-cart-token"] for answer in good}
    assert sum("idempotent-replayed" not in answer.headers for answer in good) == 1
    assert quantity(client, token) == 1
    assert count(sessions) == before + 1


def test_the_key_of_the_first_add_counts_in_the_cart_that_it_made(
    client: TestClient, add: Callable[..., Any], copied: Made
) -> None:
    number = copied().product_id
    for key in ("weak", str(uuid4())):
        token = add(number, key=key).headers["x-cart-token"]
        again = add(number, token, key)

        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        assert add(number, token, key, quantity=2).status_code == 422
        assert quantity(client, token) == 1


def test_a_key_that_others_may_come_upon_leads_nobody_into_another_s_cart(
    client: TestClient, add: Callable[..., Any], copied: Made
) -> None:
    number = copied().product_id
    answers = [add(number, key="x" * 21) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers["x-cart-token"] != answers[1].headers["x-cart-token"]
    assert answers[0].json()["id"] != answers[1].json()["id"]


def test_a_key_says_nothing_of_the_token_to_who_knows_the_cart(add: Callable[..., Any], copied: Made) -> None:
    key = str(uuid4())
    answer = add(copied().product_id, key=key)

    assert key not in answer.text
    assert answer.headers["x-cart-token"] not in answer.text


def test_a_strong_key_belongs_to_one_body(add: Callable[..., Any], copied: Made) -> None:
    number, key = copied().product_id, str(uuid4())
    add(number, key=key)

    answer = add(number, key=key, quantity=2)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_one_key_in_two_carts_is_two_keys(
    client: TestClient, add: Callable[..., Any], copied: Made, guest: NewGuest, user: SignedUser
) -> None:
    lantern, key = copied(), str(uuid4())
    one, other = (guest(lantern)["X-Cart-Token"] for _ in range(2))
    for token in (one, other, one):
        assert add(lantern.product_id, token, key).status_code == 200
    headers = user.headers | {"Idempotency-Key": key}
    mine = client.post("/api/cart/add_item/", json={"product_id": lantern.product_id}, headers=headers)

    assert (quantity(client, one), quantity(client, other)) == (2, 2)
    assert mine.json()["items"][0]["quantity"] == 1


def test_a_first_add_that_is_refused_makes_no_cart(add: Callable[..., Any], copied: Made, sessions: Sessions) -> None:
    sold_out, key, before = copied(availability="out_of_stock"), str(uuid4()), count(sessions)
    answers = [add(sold_out.product_id, key=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert not [answer for answer in answers if "x-cart-token" in answer.headers]
    assert count(sessions) == before


def test_a_hundred_adds_at_once_make_a_hundred_for_guests_too(
    client: TestClient, add: Callable[..., Any], copied: Made, guest: NewGuest
) -> None:
    lantern = copied()
    token = guest(lantern)["X-Cart-Token"]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: add(lantern.product_id, token), range(99)))

    assert Counter(answer.status_code for answer in answers) == {200: 99}
    assert quantity(client, token) == 100
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 101))
