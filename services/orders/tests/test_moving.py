"""Moving orders: each step once, by whom it may be taken."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.testing.broker import Broker
from common.testing.signing import SignedUser

from .conftest import move


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


def test_any_of_several_versions_will_do_but_a_weak_one_will_not(
    client: TestClient, order_id: str, admin: SignedUser
) -> None:
    for stale in ('W/"1"', "1", "", '"7", "8"'):
        assert move(client, admin, order_id, "processing", **{"If-Match": stale}).status_code == 412, stale
    assert move(client, admin, order_id, "processing", **{"If-Match": '"7", "1"'}).status_code == 200
    assert move(client, admin, order_id, "shipped", **{"If-Match": "*"}).status_code == 200


def test_a_version_that_has_gone_by_cannot_be_cancelled(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser
) -> None:
    move(client, admin, order_id, "processing")
    stale, fresh = (admin.headers | {"If-Match": tag} for tag in ('"1"', '"2"'))
    assert client.delete(f"/api/orders/{order_id}/", headers=stale).status_code == 412
    assert client.post(f"/api/orders/{order_id}/cancel/", headers=stale).status_code == 412
    assert client.post(f"/api/orders/{order_id}/cancel/", headers=fresh).status_code == 200


def test_every_answer_about_an_order_says_its_version(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser
) -> None:
    path = f"/api/orders/{order_id}/"
    for version, method, status in ((2, "PUT", "processing"), (3, "PATCH", "cancelled")):
        for _ in range(2):
            answer = client.request(method, path, json={"status": status}, headers=admin.headers)
            assert (answer.status_code, answer.headers["etag"]) == (200, f'"{version}"')
            assert client.get(path, headers=ada.headers).json() == answer.json()
    for answer in (client.delete(path, headers=ada.headers), client.post(f"{path}cancel/", headers=ada.headers)):
        assert (answer.status_code, answer.headers["etag"]) == (200, '"3"')


def test_tracking_comes_with_a_step_or_alone_and_then_nobody_has_moved(
    client: TestClient, order_id: str, ada: SignedUser, admin: SignedUser, broker: Broker
) -> None:
    tap = broker.tap("order.status_changed")
    path = f"/api/orders/{order_id}/"

    def tell(**body: Any) -> Any:
        return client.patch(path, json=body, headers=admin.headers).json()

    move(client, admin, order_id, "processing")
    for tracking, version in (("T-1", 3), ("T-1", 3), (None, 3), ("T-2", 4)):
        shown = tell(status="shipped", tracking=tracking)
        assert (shown["tracking"], shown["version"]) == (tracking or "T-1", version)
    refused = client.patch(path, json={"status": "pending", "tracking": "T-3"}, headers=admin.headers)
    assert refused.status_code == 409
    read = client.get(path, headers=ada.headers)
    assert (read.json()["tracking"], read.headers["etag"]) == ("T-2", '"4"')
    events = broker.take(tap, 3)
    assert [(e["sequence"], e["data"]["previous"], e["data"]["status"]) for e in events] == [
        (2, "pending", "processing"),
        (3, "processing", "shipped"),
        (4, "shipped", "shipped"),
    ]
    timeline = client.get(f"{path}timeline/", headers=ada.headers).json()
    assert [step["status"] for step in timeline] == ["pending", "processing", "shipped"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tracking": "T-1"},
        {"status": "shipped", "tracking": "x" * 201},
        {"status": "shipped", "tracking": "T\n1"},
        {"status": "shipped", "reason": "boredom"},
        {"status": "shipped", "total": "0.01"},
        [],
    ],
)
def test_a_wish_to_move_that_makes_no_sense_is_a_400(
    client: TestClient, order_id: str, admin: SignedUser, body: Any
) -> None:
    answer = client.patch(f"/api/orders/{order_id}/", json=body, headers=admin.headers)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_a_version_that_is_known_is_not_sent_again(client: TestClient, order_id: str, ada: SignedUser) -> None:
    answer = client.get(f"/api/orders/{order_id}/", headers=ada.headers | {"If-None-Match": '"1"'})
    assert (answer.status_code, answer.content) == (304, b"")
