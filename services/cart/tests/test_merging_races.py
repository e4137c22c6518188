"""Merges, adds and merges again at the same moment: each piece ends in one cart."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from common.events.catalog import ProductCreated
from common.testing.signing import Signer

from .looking import NewGuest, at_once, cart_of, quantities

Made = Callable[..., ProductCreated]


def test_of_many_users_one_gets_the_cart(
    merge: Callable[..., Any], client: TestClient, signer: Signer, guest: NewGuest, copied: Made
) -> None:
    lantern, users = copied(), [signer.user() for _ in range(20)]
    shown = guest(lantern, quantity=7)
    answers = at_once(20, lambda turn: merge(users[turn], shown))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 19}
    assert sum(sum(quantities(cart_of(client, user)).values()) for user in users) == 7


def test_one_user_s_many_requests_merge_once(
    merge: Callable[..., Any], client: TestClient, signer: Signer, guest: NewGuest, copied: Made
) -> None:
    lantern, user = copied(), signer.user()
    shown = guest(lantern, quantity=7)
    answers = at_once(20, lambda _: merge(user, shown))

    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert quantities(cart_of(client, user)) == {lantern.product_id: 7}
    assert cart_of(client, user)["version"] == 1


def test_what_a_guest_puts_in_while_merging_is_merged_or_refused_and_never_lost(
    merge: Callable[..., Any],
    put: Callable[..., Any],
    client: TestClient,
    signer: Signer,
    guest: NewGuest,
    copied: Made,
) -> None:
    lantern, user = copied(), signer.user()
    shown = guest(lantern)

    def turn(number: int) -> int:
        return int((merge(user, shown) if number == 30 else put(shown, lantern)).status_code)

    answers = at_once(60, turn)
    added = sum(status == 200 for number, status in enumerate(answers) if number != 30)
    assert set(answers) <= {200, 404}
    assert quantities(cart_of(client, user)) == {lantern.product_id: 1 + added}


def test_merges_and_adds_that_cross_lose_nothing(
    merge: Callable[..., Any],
    put: Callable[..., Any],
    client: TestClient,
    signer: Signer,
    guest: NewGuest,
    copied: Made,
) -> None:
    lantern, users = copied(), [signer.user() for _ in range(4)]
    guests = [guest(lantern) for _ in range(8)]

    def turn(number: int) -> int:
        user = users[number % 4]
        if number % 3 == 0:
            return int(put(user, lantern).status_code)
        return int(merge(user, guests[number // 4 % 8]).status_code)

    answers = at_once(96, turn)
    assert set(answers) <= {200, 404}
    assert sum(sum(quantities(cart_of(client, user)).values()) for user in users) == 8 + 32
