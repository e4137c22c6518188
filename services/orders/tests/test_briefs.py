"""All orders as realtime counts them, page by page."""

from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from common.ids import new_id
from common.testing.badges import Badges
from common.testing.signing import SignedUser

from .conftest import Shelves, move

PATH = "/internal/orders/"


@pytest.fixture
def realtime(badges: Badges) -> dict[str, str]:
    return badges.headers("realtime", "orders")


def _page(client: TestClient, headers: dict[str, str], **asked: Any) -> list[dict[str, Any]]:
    answer = client.get(PATH, params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    orders: list[dict[str, Any]] = answer.json()["orders"]
    return orders


def test_it_is_for_those_who_compare_alone(client: TestClient, badges: Badges, ada: SignedUser) -> None:
    assert client.get(PATH).status_code == 401
    assert client.get(PATH, headers=ada.headers).status_code == 401
    assert client.get(PATH, headers=badges.headers("cart", "orders")).status_code == 403


def test_what_cannot_be_asked_is_refused(client: TestClient, realtime: dict[str, str]) -> None:
    for asked in ({"after": "x"}, {"limit": 0}, {"limit": 501}, {"before": "x"}):
        assert client.get(PATH, params=asked, headers=realtime).status_code == 400


def test_orders_are_told_with_their_version_in_the_order_of_their_ids(
    client: TestClient, realtime: dict[str, str], admin: SignedUser, order_id: str
) -> None:
    before = str(UUID(int=UUID(order_id).int - 1))
    (told, *_) = _page(client, realtime, after=before)
    assert (told["id"], told["status"], told["version"]) == (order_id, "pending", 1)
    assert told["lines"]
    move(client, admin, order_id, "processing")
    (told, *_) = _page(client, realtime, after=before, limit=1)
    assert (told["status"], told["version"]) == ("processing", 2)
    everyone = [order["id"] for order in _page(client, realtime)]
    assert everyone == sorted(everyone)


def test_pages_follow_each_other_to_the_end_without_what_was_never_placed(
    client: TestClient, realtime: dict[str, str], shelves: Shelves, ada: SignedUser
) -> None:
    start = str(new_id())
    wanted = {"items": [{"product_id": 1, "quantity": 2}]}
    placed = [client.post("/api/orders/", json=wanted, headers=ada.headers) for _ in range(3)]
    assert [answer.status_code for answer in placed] == [201, 201, 201]
    bad = client.post("/api/orders/", json={"items": [{"product_id": 999999, "quantity": 1}]}, headers=ada.headers)
    assert bad.status_code in (404, 409)
    seen: list[str] = []
    while page := _page(client, realtime, after=seen[-1] if seen else start, limit=2):
        seen += [order["id"] for order in page]
    assert sorted(seen) == sorted(answer.json()["id"] for answer in placed)
