"""Moving and cancelling orders: each step once, by whom it may be taken."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.testing.broker import Broker
from common.testing.signing import SignedUser

from .conftest import Shelves


@pytest.fixture
def order_id(client: TestClient, shelves: Shelves, ada: SignedUser) -> str:
    body = {"items": [{"product_id": 1, "quantity": 2}]}
    return str(client.post("/api/orders/", json=body, headers=ada.headers).json()["id"])


def move(client: TestClient, user: SignedUser, order_id: str, status: str, **headers: str) -> Any:
    return client.put(f"/api/orders/{order_id}/", json={"status": status}, headers=user.headers | headers)


def test_a_stranger_sees_nothing(client: TestClient, order_id: str) -> None:
    for path in ("", "timeline/"):
        assert client.get(f"/api/orders/{order_id}/{path}").status_code == 401
    assert client.delete(f"/api/orders/{order_id}/").status_code == 401


def test_another_users_order_is_as_missing_as_one_that_is_not(
    client: TestClient, order_id: str, bob: SignedUser
) -> None:
    missing = "01900000-0000-7000-8000-000000000000"
    for which in (order_id, missing, "17", "not-an-id"):
        assert client.get(f"/api/orders/{which}/", headers=bob.headers).status_code == 404
        assert client.delete(f"/api/orders/{which}/", headers=bob.headers).status_code == 404
        assert client.get(f"/api/orders/{which}/timeline/", headers=bob.headers).status_code == 404


def test_only_an_admin_moves_an_order(client: TestClient, order_id: str, ada: SignedUser) -> None:
    assert move(client, ada, order_id, "processing").status_code == 403


def test_an_admin_moves_it_to_the_end_and_a_repeat_changes_nothing(
    client: TestClient, order_id: str, admin: SignedUser, broker: Broker
) -> None:
    tap = broker.tap("order.status_changed")
    for version, status in enumerate(("processing", "shipped", "delivered"), start=2):
        for _ in range(2):
            body = move(client, admin, order_id, status).json()
            assert (body["status"], body["version"]) == (status, version)
    events = broker.take(tap, 3)
    assert [(e["sequence"], e["data"]["previous"], e["data"]["status"]) for e in events] == [
        (2, "pending", "processing"),
        (3, "processing", "shipped"),
        (4, "shipped", "delivered"),
    ]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (["shipped"], ["processing", "cancelled"]),
        (["processing", "pending"], ["shipped", "cancelled"]),
        (["processing", "shipped", "cancelled"], ["delivered"]),
        (["cancelled", "processing"], []),
    ],
)
def test_a_step_that_there_is_not_is_refused_with_those_that_there_are(
    client: TestClient, order_id: str, admin: SignedUser, path: list[str], allowed: list[str]
) -> None:
    *taken, refused = path
    for status in taken:
        assert move(client, admin, order_id, status).status_code == 200
    answer = move(client, admin, order_id, refused)
    assert answer.status_code == 409
    assert answer.json()["code"] == "illegal_transition"
    assert answer.json()["allowed"] == allowed
    assert (answer.json()["from"], answer.json()["to"]) == ((taken or ["pending"])[-1], refused)


def test_an_unknown_status_is_a_400(client: TestClient, order_id: str, admin: SignedUser) -> None:
    for status in ("lost", "", 3, None):
        answer = client.put(f"/api/orders/{order_id}/", json={"status": status}, headers=admin.headers)
        assert answer.status_code == 400
        assert "status" in answer.json()["errors"]


def test_a_version_that_has_gone_by_is_a_412(client: TestClient, order_id: str, admin: SignedUser) -> None:
    assert move(client, admin, order_id, "processing", **{"If-Match": '"7"'}).status_code == 412
    assert move(client, admin, order_id, "processing", **{"If-Match": '"1"'}).status_code == 200
    assert move(client, admin, order_id, "shipped", **{"If-Match": '"1"'}).status_code == 412


def test_a_version_that_is_known_is_not_sent_again(client: TestClient, order_id: str, ada: SignedUser) -> None:
    answer = client.get(f"/api/orders/{order_id}/", headers=ada.headers | {"If-None-Match": '"1"'})
    assert (answer.status_code, answer.content) == (304, b"")


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


def test_of_cancel_and_process_exactly_one_wins(
    client: TestClient, shelves: Shelves, ada: SignedUser, admin: SignedUser, broker: Broker
) -> None:
    shelves.stock[1] = 1000
    tap = broker.tap("order.cancelled", "order.status_changed")
    body = {"items": [{"product_id": 1, "quantity": 1}]}
    outcomes = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(40):
            placed = client.post("/api/orders/", json=body, headers=ada.headers).json()["id"]
            cancelled = pool.submit(client.delete, f"/api/orders/{placed}/", headers=ada.headers)
            moved = pool.submit(move, client, admin, placed, "processing")
            outcomes.append(sorted((cancelled.result().status_code, moved.result().status_code)))
    assert outcomes == [[200, 409]] * 40
    assert len({event["subject"] for event in broker.take(tap, 40)}) == 40
    assert broker.size(tap) == 0


def test_lists_are_the_users_own_filtered_and_paged(
    client: TestClient, shelves: Shelves, ada: SignedUser, bob: SignedUser, admin: SignedUser
) -> None:
    body = {"items": [{"product_id": 1, "quantity": 1}]}
    ids = [client.post("/api/orders/", json=body, headers=ada.headers).json()["id"] for _ in range(5)]
    client.post("/api/orders/", json=body, headers=bob.headers)
    client.delete(f"/api/orders/{ids[0]}/", headers=ada.headers)

    page = client.get("/api/orders/?page_size=2&page=2", headers=ada.headers).json()
    assert page["count"] == 5
    assert [order["id"] for order in page["results"]] == [ids[2], ids[1]]
    assert "page=3" in page["next"]
    assert "page=1" in page["previous"]
    cancelled = client.get("/api/orders/?status=cancelled", headers=ada.headers).json()
    assert [order["id"] for order in cancelled["results"]] == [ids[0]]

    walked, link = [], "/api/orders/?cursor=&limit=2"
    while link:
        page = client.get(link.split(":8080")[-1], headers=ada.headers).json()
        walked += [order["id"] for order in page["results"]]
        assert page["count"] is None or "count" not in page
        link = page["next"]
    assert walked == ids[::-1]

    assert client.get(f"/api/orders/?user={ada.id}", headers=admin.headers).json()["count"] == 5
    assert client.get(f"/api/orders/?user={ada.id}", headers=bob.headers).status_code == 403
    for wrong in ("page=0", "page_size=101", "limit=0", "colour=red", "cursor=x", "status=lost", "user=7"):
        assert client.get(f"/api/orders/?{wrong}", headers=ada.headers).status_code == 400, wrong
    assert client.get("/api/orders/?page=9", headers=ada.headers).status_code == 404
