"""Each change once: repeated requests make one product, and each change is said once and in order."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer

# Repeats


def test_a_repeated_key_adds_one_product(shop: Any, admin: SignedUser) -> None:
    headers = admin.headers | {"Idempotency-Key": str(new_id())}
    body = {"name": "Lamp", "price": "1.00", "sku": shop.sku()}

    first = shop.client.post("/api/products/", json=body, headers=headers)
    second = shop.client.post("/api/products/", json=body | {"price": 1}, headers=headers)
    other = shop.client.post("/api/products/", json=body | {"price": "2.00"}, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_crowd_with_one_key_adds_one_product(shop: Any, admin: SignedUser) -> None:
    headers = admin.headers | {"Idempotency-Key": str(new_id())}
    body = {"name": "Lamp", "price": "1.00", "sku": shop.sku()}

    def create(_: int) -> tuple[int, Any]:
        answer = shop.client.post("/api/products/", json=body, headers=headers)
        return answer.status_code, answer.json().get("id")

    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(create, range(16)))

    assert {status for status, _ in answers} == {201}
    assert len({product_id for _, product_id in answers}) == 1


def test_a_key_of_one_admin_means_nothing_for_another(shop: Any, admin: SignedUser, signer: Signer) -> None:
    key = {"Idempotency-Key": str(new_id())}
    body = {"name": "Lamp", "price": "1.00"}

    mine = shop.client.post("/api/products/", json=body, headers=admin.headers | key).json()
    hers = shop.client.post("/api/products/", json=body, headers=signer.admin().headers | key).json()

    assert mine["id"] != hers["id"]


# What is said


def test_each_change_that_concerns_others_is_said_once_in_order(shop: Any, broker: Broker, admin: SignedUser) -> None:
    tap = shop.tap("product.*")
    product = shop.add(stock=10, name="Lamp")
    shop.change(product["id"], description="for the hall")
    shop.change(product["id"], stock=9)
    shop.change(product["id"], name="Torch")
    shop.change(product["id"], stock=3)
    shop.client.delete(f"/api/products/{product['id']}/", headers=admin.headers)
    shop.client.delete(f"/api/products/{product['id']}/", headers=admin.headers)
    shop.add(name="the last one")

    heard = broker.take(tap, 6)
    said = [event for event in heard if event["subject"] == str(product["id"])]

    assert [event["type"] for event in said] == [
        "product.created",
        "product.updated",
        "product.updated",
        "product.low_stock",
        "product.archived",
    ]
    assert [event["sequence"] for event in said] == [1, 2, 3, 4, 5]
    assert [event["data"]["name"] for event in said] == ["Lamp", "Torch", "Torch", "Torch", "Torch"]
    shown = [event["data"]["availability"] for event in said if event["type"] != "product.low_stock"]
    assert shown == ["in_stock", "in_stock", "low_stock", "low_stock"]
    assert [event["data"]["name"] for event in heard if event not in said] == ["the last one"]
    assert said[0]["data"] == {
        "product_id": product["id"],
        "version": 1,
        "sku": product["sku"],
        "name": "Lamp",
        "price": "3.39",
        "currency": "EUR",
        "status": "active",
        "availability": "in_stock",
    }


def test_a_refused_change_says_nothing(shop: Any, broker: Broker, admin: SignedUser) -> None:
    taken = shop.add()
    tap = shop.tap("product.*")

    shop.client.post("/api/products/", json={"name": "L", "price": "1", "sku": taken["sku"]}, headers=admin.headers)
    after = shop.add(name="after")

    (said,) = broker.take(tap, 1)
    assert said["data"]["product_id"] == after["id"]
