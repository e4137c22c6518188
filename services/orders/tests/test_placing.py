"""Placing orders: what a buyer sees."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from common.clock import now
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually
from orders import placing

from .conftest import Shelves

ONE = {"items": [{"product_id": 1, "quantity": 2}]}


def order(client: TestClient, user: SignedUser, body: Any = None, key: str | None = None) -> Any:
    headers = user.headers | ({"Idempotency-Key": key} if key is not None else {})
    return client.post("/api/orders/", json=ONE if body is None else body, headers=headers)


def test_a_stranger_is_asked_to_sign_in(client: TestClient) -> None:
    answer = client.post("/api/orders/", json=ONE)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_order_is_placed_with_prices_of_the_catalogue(client: TestClient, shelves: Shelves, ada: SignedUser) -> None:
    answer = order(client, ada, {"items": [{"product_id": 2, "quantity": 1}, {"product_id": 1, "quantity": 2}]})
    body = answer.json()
    assert answer.status_code == 201, body
    assert answer.headers["location"] == f"/api/orders/{body['id']}/"
    assert body["status"] == "pending"
    assert body["total"] == "7.50"
    assert body["user"] == str(ada.id)
    assert [(line["product"]["id"], line["quantity"], line["total_price"]) for line in body["items"]] == [
        (1, 2, "5.00"),
        (2, 1, "2.50"),
    ]
    assert shelves.stock == {1: 98, 2: 99, 3: 1}
    read = client.get(answer.headers["location"], headers=ada.headers)
    assert read.json() == body
    assert read.headers["etag"] == '"1"'


def test_several_lines_of_one_product_are_summed_first(client: TestClient, shelves: Shelves, ada: SignedUser) -> None:
    twice = {"items": [{"product_id": 3, "quantity": 1}, {"product_id": 3, "quantity": 1}]}
    answer = order(client, ada, twice)
    assert answer.status_code == 409
    assert answer.json()["items"] == [{"product_id": 3, "requested": 2, "available": 1}]


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [{"product_id": 1, "quantity": 0}]},
        {"items": [{"product_id": 1, "quantity": 1000}]},
        {"items": [{"product_id": 1, "quantity": True}]},
        {"items": [{"product_id": "1", "quantity": 1}]},
        {"items": [{"product_id": 2**63, "quantity": 1}]},
        {"items": [{"product_id": 1, "quantity": 1, "price": "0.01"}]},
        {"items": [{"product_id": 1, "quantity": 1}] * 101},
        {"items": [{"product_id": 1, "quantity": 1}], "total": "0.01"},
        {"items": [{"product_id": 1, "quantity": 1}], "expected_total": "1e2"},
        {"items": [{"product_id": 1, "quantity": 1}], "shipping_address": {"country": "Narnia"}},
        [],
        "cart",
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(
    client: TestClient, shelves: Shelves, ada: SignedUser, body: Any
) -> None:
    answer = order(client, ada, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"]
    assert shelves.calls == 0


def test_what_does_not_exist_is_404_and_what_is_not_for_sale_409(
    client: TestClient, shelves: Shelves, ada: SignedUser
) -> None:
    assert order(client, ada, {"items": [{"product_id": 77, "quantity": 1}]}).status_code == 404
    shelves.gone.add(1)
    refused = order(client, ada)
    assert (refused.status_code, refused.json()["code"]) == (409, "product_unavailable")
    assert client.get("/api/orders/", headers=ada.headers).json()["count"] == 0


def test_a_changed_total_is_refused_and_the_hold_given_back(
    client: TestClient, shelves: Shelves, ada: SignedUser, broker: Broker
) -> None:
    tap = broker.tap("order.cancelled")
    answer = order(client, ada, ONE | {"expected_total": "4.99"})
    assert (answer.status_code, answer.json()["code"]) == (409, "total_changed")
    (event,) = broker.take(tap, 1)
    assert event["subject"] in shelves.holds
    assert event["data"]["was_placed"] is False
    assert order(client, ada, ONE | {"expected_total": 5}).status_code == 201


def test_without_items_the_cart_is_ordered(
    client: TestClient, shelves: Shelves, cart: FakeSister, ada: SignedUser
) -> None:
    cart.answer("GET", f"/internal/carts/{ada.id}/", lambda *_: (200, {"items": [{"product_id": 1, "quantity": 3}]}))
    answer = client.post("/api/orders/", headers=ada.headers)
    assert answer.status_code == 201
    assert answer.json()["items"][0]["quantity"] == 3


def test_an_empty_cart_is_a_400_and_a_dead_one_a_503(
    client: TestClient, shelves: Shelves, cart: FakeSister, ada: SignedUser
) -> None:
    cart.answer("GET", "/internal/carts/", lambda *_: (200, {"items": []}))
    assert order(client, ada, {}).json()["code"] == "empty_order"
    cart.answer("GET", "/internal/carts/", lambda *_: (500, {}))
    answer = order(client, ada, {})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_a_key_repeated_gets_the_same_answer_though_the_cart_is_empty_by_now(
    client: TestClient, shelves: Shelves, cart: FakeSister, ada: SignedUser
) -> None:
    lines = [[{"product_id": 1, "quantity": 3}], []]
    cart.answer("GET", "/internal/carts/", lambda *_: (200, {"items": lines.pop(0)}))
    key = str(uuid4())
    first = order(client, ada, {}, key)
    again = order(client, ada, {}, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers


def test_a_refusal_is_replayed_too_and_another_body_is_a_422(
    client: TestClient, shelves: Shelves, ada: SignedUser, bob: SignedUser
) -> None:
    key = str(uuid4())
    short = {"items": [{"product_id": 3, "quantity": 5}]}
    assert order(client, ada, short, key).status_code == 409
    shelves.stock[3] = 50
    again = order(client, ada, short, key)
    assert (again.status_code, again.json()["code"]) == (409, "insufficient_stock")
    assert again.headers["idempotent-replayed"] == "true"
    assert order(client, ada, ONE, key).status_code == 422
    assert order(client, bob, short, key).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "smörgås"])
def test_a_key_that_cannot_be_one_is_a_400(client: TestClient, shelves: Shelves, ada: SignedUser, key: str) -> None:
    headers = ada.headers | {"Idempotency-Key": key.encode()}
    answer = client.post("/api/orders/", json=ONE, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400


def test_fifty_parallel_requests_with_one_key_make_one_order_and_then_the_same_answer_for_ever(
    client: TestClient, shelves: Shelves, ada: SignedUser
) -> None:
    key = str(uuid4())
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: order(client, ada, ONE, key), range(50)))
        replays = list(pool.map(lambda _: order(client, ada, ONE, key), range(50)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    late = [answer for answer in answers if answer.status_code == 409]
    assert all((a.json()["code"], a.headers["retry-after"]) == ("idempotency_in_progress", "1") for a in late)
    (body,) = {answer.content for answer in (*answers, *replays) if answer.status_code == 201}
    assert {(a.status_code, a.content, a.headers["idempotent-replayed"]) for a in replays} == {(201, body, "true")}
    assert len({replay.headers["location"] for replay in replays}) == 1
    assert client.get("/api/orders/", headers=ada.headers).json()["count"] == 1
    assert shelves.stock[1] == 98


def test_a_hundred_buyers_share_batches_and_each_has_an_own_fate(
    client: TestClient, shelves: Shelves, signer: Signer
) -> None:
    shelves.stock = {1: 120}
    buyers = [signer.user(f"buyer{n}") for n in range(100)]
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda buyer: order(client, buyer), buyers))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (60, 40), [a.text for a in answers if a.status_code > 499]
    assert shelves.stock[1] == 0
    assert shelves.calls < 100, "buyers who come together must leave together"


def test_each_order_of_a_batch_is_read_as_it_was_answered(
    client: TestClient, shelves: Shelves, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count()
    monkeypatch.setattr(placing, "now", lambda: now() + timedelta(milliseconds=next(ticks)))
    buyers = [signer.user(f"buyer{n}") for n in range(40)]
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda buyer: order(client, buyer), buyers))
    assert shelves.calls < 40
    for buyer, answer in zip(buyers, answers, strict=True):
        assert client.get(answer.headers["location"], headers=buyer.headers).json() == answer.json()


def test_each_order_of_a_batch_is_told_of_in_the_trace_of_its_own_request(
    client: TestClient, shelves: Shelves, signer: Signer, broker: Broker
) -> None:
    tap = broker.tap("order.placed")
    buyers = [signer.user(f"buyer{n}") for n in range(20)]
    traces = {str(buyer.id): f"00-{n:032x}-{n:016x}-01" for n, buyer in enumerate(buyers, 1)}

    def place(buyer: SignedUser) -> int:
        headers = buyer.headers | {"traceparent": traces[str(buyer.id)]}
        return client.post("/api/orders/", json=ONE, headers=headers).status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(place, buyers)) == {201}
    assert shelves.calls < 20
    assert {event["data"]["user_id"]: event["traceparent"] for event in broker.take(tap, 20)} == traces


def test_catalog_dead_slow_or_babbling_is_a_503_and_nothing_is_half_done(
    client: TestClient, catalog: FakeSister, ada: SignedUser
) -> None:
    key = str(uuid4())
    for reply in ((500, {}), (200, {"results": "?"}), (200, [1, 2]), (404, {})):
        catalog.answer("POST", "/internal/reservations/", lambda *_, reply=reply: reply)
        answer = order(client, ada, ONE, key)
        assert answer.status_code == 503, answer.text
        assert answer.headers["retry-after"]
    assert client.get("/api/orders/", headers=ada.headers).json()["count"] == 0
    shelves = Shelves(catalog)
    shelves.stock = {1: 100}

    def placed() -> bool:
        return bool(order(client, ada, ONE, key).status_code == 201)

    eventually(placed)
    assert shelves.stock[1] == 98
    assert client.get("/api/orders/", headers=ada.headers).json()["count"] == 1


def test_an_order_says_that_it_was_placed(
    client: TestClient, shelves: Shelves, ada: SignedUser, broker: Broker
) -> None:
    tap = broker.tap("order.placed")
    body = order(client, ada).json()
    (event,) = broker.take(tap, 1)
    assert event["specversion"] == "1.0"
    assert (event["type"], event["subject"], event["sequence"]) == ("order.placed", body["id"], 1)
    assert event["data"]["user_id"] == str(ada.id)
    assert event["data"]["number"] == body["number"]
    assert event["data"]["lines"] == [
        {"product_id": 1, "sku": "SKU-1", "name": "Product 1", "quantity": 2, "price": "2.50"}
    ]
