"""The copy of the catalogue while catalog is well, slow, broken or away."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cart.models import ProductCopy
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.testing.signing import SignedUser
from common.testing.sisters import FakeSister

Made = Callable[..., ProductCreated]
Start = Callable[..., TestClient]
PRODUCTS = "/internal/products/"
NOWHERE = "http://127.0.0.1:9"
"""The discard port, on which nothing listens."""


def as_catalog_says(product: ProductCreated) -> dict[str, Any]:
    """The product in the form of catalog's internal list, with a field that cart does not read."""
    body = product.model_dump(mode="json")
    return body | {"id": body.pop("product_id"), "on_hand": 7}


def add(client: TestClient, user: SignedUser, product_id: int) -> Any:
    return client.post("/api/cart/add_item/", json={"product_id": product_id}, headers=user.headers)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds a fake's answer back until the test is over."""
    opened = threading.Event()
    yield opened
    opened.set()


def test_a_product_not_heard_of_is_asked_for_once(
    client: TestClient, user: SignedUser, catalog: FakeSister, product: Made
) -> None:
    lantern = product()
    path = f"{PRODUCTS}?ids={lantern.product_id}"
    catalog.answer("GET", path, lambda *_: (200, {"products": [as_catalog_says(lantern)]}))

    assert add(client, user, lantern.product_id).json()["items"][0]["product"]["sku"] == lantern.sku
    assert add(client, user, lantern.product_id).json()["items"][0]["quantity"] == 2
    assert [asked for _, asked, _ in catalog.asked if asked == path] == [path]


def test_what_catalog_says_later_than_its_event_does_not_win(
    client: TestClient, user: SignedUser, sister: FakeSister, beside: Start, product: Made, copied: Made
) -> None:
    lantern = product(version=1, name="Old")

    def answer(*_: Any) -> tuple[int, Any]:
        copied(product_id=lantern.product_id, version=2, name="New")
        return 200, {"products": [as_catalog_says(lantern)]}

    sister.answer("GET", PRODUCTS, answer)

    shown = add(beside(catalog_url=sister.url), user, lantern.product_id).json()
    assert shown["items"][0]["product"]["name"] == "New"


def test_another_product_than_the_one_asked_for_is_not_taken(
    user: SignedUser, sister: FakeSister, beside: Start, product: Made
) -> None:
    wanted, other = product(), product()
    sister.answer("GET", PRODUCTS, lambda *_: (200, {"products": [as_catalog_says(other)]}))

    assert add(beside(catalog_url=sister.url), user, wanted.product_id).status_code == 404


def test_known_products_need_no_catalog(user: SignedUser, beside: Start, copied: Made) -> None:
    number, client = copied().product_id, beside(catalog_url=NOWHERE)
    answers = [
        add(client, user, number),
        client.get("/api/cart/", headers=user.headers),
        client.post("/api/cart/update_item/", json={"product_id": number, "quantity": 5}, headers=user.headers),
        client.post("/api/cart/remove_item/", json={"product_id": number}, headers=user.headers),
        client.post("/api/cart/clear/", headers=user.headers),
    ]

    assert [answer.status_code for answer in answers] == [200] * 5


def test_an_unknown_product_cannot_be_added_while_catalog_is_away(
    user: SignedUser, beside: Start, product: Made
) -> None:
    client = beside(catalog_url=NOWHERE)
    for _ in range(8):
        answer = add(client, user, product().product_id)
        assert (answer.status_code, answer.json()["code"]) == (503, "catalog_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert client.get("/api/cart/", headers=user.headers).json()["version"] == 0


def test_a_slow_catalog_does_not_hold_the_client_up(
    user: SignedUser, sister: FakeSister, beside: Start, product: Made, gate: threading.Event
) -> None:
    sister.answer("GET", PRODUCTS, lambda *_: (200, {"products": [gate.wait()]}))
    client = beside(catalog_url=sister.url, catalog_timeout_s=0.3)

    assert add(client, user, product().product_id).status_code == 503


GARBAGE: list[Any] = [
    None,
    [],
    "products",
    {},
    {"products": None},
    {"products": {}},
    {"products": [{}]},
    {"products": [{"id": "x"}]},
]


@pytest.mark.parametrize("body", GARBAGE, ids=repr)
def test_an_answer_that_makes_no_sense_is_no_answer(
    client: TestClient, user: SignedUser, catalog: FakeSister, product: Made, body: Any
) -> None:
    number = product().product_id
    catalog.answer("GET", f"{PRODUCTS}?ids={number}", lambda *_: (200, body))
    answer = add(client, user, number)

    assert (answer.status_code, answer.json()["code"]) == (503, "catalog_unavailable")


BAD_FIELDS: list[dict[str, Any]] = [
    {"price": "NaN"},
    {"price": "-1"},
    {"price": "1.234"},
    {"price": "123456789.00"},
    {"name": "x" * 256},
    {"name": None},
    {"sku": "x" * 65},
    {"version": -1},
    {"status": "x" * 17},
]


@pytest.mark.parametrize("bad", BAD_FIELDS, ids=lambda bad: "-".join(bad))
def test_a_product_that_cannot_be_kept_is_no_answer(
    client: TestClient, user: SignedUser, catalog: FakeSister, product: Made, bad: dict[str, Any]
) -> None:
    lantern = product()
    body = {"products": [as_catalog_says(lantern) | bad]}
    catalog.answer("GET", f"{PRODUCTS}?ids={lantern.product_id}", lambda *_: (200, body))

    assert add(client, user, lantern.product_id).status_code == 503


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_refusal_by_catalog_is_no_answer(
    user: SignedUser, sister: FakeSister, beside: Start, product: Made, status: int
) -> None:
    sister.answer("GET", PRODUCTS, lambda *_: (status, {"code": "whatever"}))

    assert add(beside(catalog_url=sister.url), user, product().product_id).status_code == 503


def test_the_same_key_can_be_sent_again_when_catalog_is_back(
    client: TestClient, user: SignedUser, catalog: FakeSister, product: Made, sessions: Sessions
) -> None:
    lantern = product()
    path, headers = f"{PRODUCTS}?ids={lantern.product_id}", user.headers | {"Idempotency-Key": "again"}
    body = {"product_id": lantern.product_id}
    catalog.answer("GET", path, lambda *_: (200, "garbage"))
    assert client.post("/api/cart/add_item/", json=body, headers=headers).status_code == 503

    catalog.answer("GET", path, lambda *_: (200, {"products": [as_catalog_says(lantern)]}))
    assert client.post("/api/cart/add_item/", json=body, headers=headers).status_code == 200
    with sessions.begin() as session:
        assert session.get(ProductCopy, lantern.product_id) is not None
