"""Cancelling orders: once, by whom and until when it may be done."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.testing.broker import Broker
from common.testing.signing import SignedUser
from orders.main import build
from orders.settings import OrdersSettings

from .conftest import Shelves, move


def test_the_owner_cancels_and_a_repeat_answers_the_same(
    client: TestClient, order_id: str, ada: SignedUser, broker: Broker
) -> None:
    tap = broker.tap("order.cancelled")
    first = client.delete(f"/api/orders/{order_id}/", headers=ada.headers)
    again = client.delete(f"/api/orders/{order_id}/", headers=ada.headers)
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert again.json() == first.json()
    (event,) = broker.take(tap, 1)
    assert event["data"]["was_placed"] is True
    assert event["data"]["restock"] is True
    assert event["data"]["lines"][0]["quantity"] == 2
    assert broker.size(tap) == 0


def test_a_repeat_by_another_route_answers_the_same(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser, broker: Broker
) -> None:
    tap = broker.tap("order.cancelled", "order.status_changed")
    path = f"/api/orders/{order_id}/"
    first = client.post(f"{path}cancel/", json={"reason": "other"}, headers=ada.headers)
    assert first.json()["status"] == "cancelled"
    for again in (
        client.delete(path, headers=ada.headers),
        client.post(f"{path}cancel/", json={"note": "once more"}, headers=ada.headers),
        client.delete(path, headers=admin.headers),
        client.put(path, json={"status": "cancelled"}, headers=admin.headers),
    ):
        assert (again.status_code, again.json()) == (200, first.json())
    broker.take(tap, 1)
    timeline = client.get(f"{path}timeline/", headers=ada.headers).json()
    assert [(step["reason"], step["note"]) for step in timeline] == [("customer", ""), ("other", "")]
    assert broker.size(tap) == 0


@pytest.mark.parametrize("status", ["shipped", "delivered"])
def test_nobody_cancels_what_has_left_the_house(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser, status: str
) -> None:
    for step in ("processing", "shipped", "delivered")[: 2 if status == "shipped" else 3]:
        move(client, admin, order_id, step)
    for user in (ada, admin):
        for answer in (
            client.delete(f"/api/orders/{order_id}/", headers=user.headers),
            client.post(f"/api/orders/{order_id}/cancel/", headers=user.headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable")
    assert client.get(f"/api/orders/{order_id}/", headers=ada.headers).json()["status"] == status


def test_owners_may_cancel_later_where_the_shop_says_so(
    settings: OrdersSettings, shelves: Shelves, ada: SignedUser, admin: SignedUser
) -> None:
    patient = settings.model_copy(update={"customer_cancel_until": "processing"})
    with TestClient(build(patient), raise_server_exceptions=False) as client:
        body = {"items": [{"product_id": 1, "quantity": 2}]}
        placed = client.post("/api/orders/", json=body, headers=ada.headers).json()["id"]
        move(client, admin, placed, "processing")
        assert client.delete(f"/api/orders/{placed}/", headers=ada.headers).json()["status"] == "cancelled"


@pytest.mark.parametrize("body", [{"reason": r} for r in ("inventory", "fraud", "declined", "staff", "expired")])
def test_owners_give_their_own_reasons_and_always_restock(
    client: TestClient, order_id: str, ada: SignedUser, body: dict[str, Any]
) -> None:
    path = f"/api/orders/{order_id}/cancel/"
    for wish in (body, {"restock": False}):
        refused = client.post(path, json=wish, headers=ada.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert client.get(f"/api/orders/{order_id}/", headers=ada.headers).json()["status"] == "pending"


def test_without_a_reason_it_is_the_customer_s_or_the_staff_s(
    client: TestClient, shelves: Shelves, ada: SignedUser, admin: SignedUser
) -> None:
    for user, reason in ((ada, "customer"), (admin, "staff")):
        body = {"items": [{"product_id": 1, "quantity": 1}]}
        path = f"/api/orders/{client.post('/api/orders/', json=body, headers=ada.headers).json()['id']}/"
        client.delete(path, headers=user.headers)
        assert client.get(f"{path}timeline/", headers=ada.headers).json()[-1]["reason"] == reason


def test_goods_that_are_gone_are_not_put_back(
    client: TestClient, order_id: str, admin: SignedUser, broker: Broker
) -> None:
    tap = broker.tap("order.cancelled")
    body = {"reason": "inventory", "restock": False}
    client.post(f"/api/orders/{order_id}/cancel/", json=body, headers=admin.headers)
    (event,) = broker.take(tap, 1)
    assert (event["data"]["restock"], event["data"]["was_placed"], event["data"]["previous"]) == (
        False,
        True,
        "pending",
    )
    assert event["data"]["lines"][0]["quantity"] == 2


@pytest.mark.parametrize("body", [{"note": "x" * 501}, {"note": "\x00"}, {"restock": "no"}, {"why": "?"}, [], "late"])
def test_a_wish_to_cancel_that_makes_no_sense_is_a_400(
    client: TestClient, order_id: str, ada: SignedUser, body: Any
) -> None:
    assert client.post(f"/api/orders/{order_id}/cancel/", json=body, headers=ada.headers).status_code == 400


def test_a_key_for_another_wish_to_cancel_is_a_422_and_a_refusal_frees_it(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser
) -> None:
    path, key = f"/api/orders/{order_id}/cancel/", {"Idempotency-Key": order_id}
    assert client.post(path, json={"reason": "fraud"}, headers=ada.headers | key).status_code == 403
    assert client.post(path, json={"reason": "other"}, headers=ada.headers | key).status_code == 200
    again = client.post(path, json={"reason": "customer"}, headers=ada.headers | key)
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
    assert client.post(path, json={"reason": "staff"}, headers=admin.headers | key).status_code == 200


def test_it_is_too_late_for_the_owner_once_it_is_processed(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser
) -> None:
    move(client, admin, order_id, "processing")
    refused = client.delete(f"/api/orders/{order_id}/", headers=ada.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_cancellable")
    assert client.delete(f"/api/orders/{order_id}/", headers=admin.headers).status_code == 200


def test_a_cancellation_says_why_and_the_timeline_keeps_it(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser
) -> None:
    path = f"/api/orders/{order_id}/cancel/"
    assert client.post(path, json={"reason": "fraud"}, headers=ada.headers).status_code == 403
    assert client.post(path, json={"reason": "boredom"}, headers=ada.headers).status_code == 400
    body = {"reason": "inventory", "note": "a flood", "restock": False}
    headers = admin.headers | {"Idempotency-Key": order_id}
    assert client.post(path, json=body, headers=headers).status_code == 200
    assert client.post(path, json=body, headers=headers).headers["idempotent-replayed"] == "true"
    shown = client.get(f"/api/orders/{order_id}/timeline/", headers=ada.headers).json()
    assert [(m["status"], m["reason"], m["by"]) for m in shown] == [
        ("pending", "customer", "user"),
        ("cancelled", "inventory", "admin"),
    ]
    assert "user" not in shown[1]
    seen_by_admin = client.get(f"/api/orders/{order_id}/timeline/", headers=admin.headers).json()
    assert seen_by_admin[1]["user"] == str(admin.id)
