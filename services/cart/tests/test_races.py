"""Changes of one cart at the same moment: none is lost, none counts twice."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from common.clock import now
from common.events.catalog import ProductCreated
from common.events.orders import Line, OrderPlaced
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually

from .looking import at_once, cart_of, quantities

Made = Callable[..., ProductCreated]
PRODUCTS = "/internal/products/"


def adding(client: TestClient, user: SignedUser, **headers: str) -> Callable[[int], Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda number: client.post("/api/cart/add_item/", json={"product_id": number}, headers=user.headers | named)


def placed(user: SignedUser, lines: dict[int, int]) -> OrderPlaced:
    return OrderPlaced(
        order_id=new_id(),
        version=1,
        number="1",
        user_id=user.id,
        total=1,
        currency="GBP",
        at=now(),
        lines=[
            Line(product_id=number, sku=None, name="Lantern", quantity=quantity, price=1)
            for number, quantity in lines.items()
        ],
    )


def test_a_hundred_adds_at_once_make_a_hundred(client: TestClient, signer: Signer, copied: Made) -> None:
    user, number = signer.user(), copied().product_id
    add = adding(client, user)
    answers = at_once(100, lambda _: add(number))

    assert Counter(answer.status_code for answer in answers) == {200: 100}
    assert quantities(cart_of(client, user)) == {number: 100}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 101))


def test_however_many_add_what_was_never_heard_of_catalog_is_asked_once(
    client: TestClient, signer: Signer, catalog: FakeSister, product: Made
) -> None:
    lantern = product()
    body = lantern.model_dump(mode="json") | {"id": lantern.product_id}
    path = f"{PRODUCTS}?ids={lantern.product_id}"
    catalog.answer("GET", path, lambda *_: (200, {"products": [body]}))
    add = adding(client, signer.user())

    assert {answer.status_code for answer in at_once(40, lambda _: add(lantern.product_id))} == {200}
    assert [asked for _, asked, _ in catalog.asked if asked == path] == [path]


def test_first_adds_of_many_products_meet_in_one_cart(client: TestClient, signer: Signer, copied: Made) -> None:
    user, numbers = signer.user(), [copied().product_id for _ in range(20)]
    add = adding(client, user)
    answers = at_once(60, lambda turn: add(numbers[turn % 20]))

    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert quantities(cart_of(client, user)) == dict.fromkeys(numbers, 3)


def test_the_limit_holds_against_a_crowd(client: TestClient, signer: Signer, copied: Made) -> None:
    user, number = signer.user(), copied().product_id
    body = {"product_id": number, "quantity": 100}
    answers = at_once(20, lambda _: client.post("/api/cart/add_item/", json=body, headers=user.headers).status_code)

    assert Counter(answers) == {200: 9, 409: 11}
    assert quantities(cart_of(client, user)) == {number: 900}


def test_one_key_from_many_hands_adds_once(client: TestClient, signer: Signer, copied: Made) -> None:
    user, number = signer.user(), copied().product_id
    add = adding(client, user, Idempotency_Key="all together")
    answers = at_once(30, lambda _: add(number))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers if answer.status_code == 200) == 1
    assert quantities(cart_of(client, user)) == {number: 1}


def test_of_many_changes_tied_to_one_version_one_wins(client: TestClient, signer: Signer, copied: Made) -> None:
    user, number = signer.user(), copied().product_id
    tag = adding(client, user)(number).headers["etag"]
    add = adding(client, user, If_Match=tag)
    answers = at_once(20, lambda _: add(number))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
    assert quantities(cart_of(client, user)) == {number: 2}


def test_adds_while_an_order_is_taken_out_are_all_kept(
    client: TestClient, signer: Signer, copied: Made, broker: Broker
) -> None:
    user, number = signer.user(), copied().product_id
    client.post("/api/cart/add_item/", json={"product_id": number, "quantity": 50}, headers=user.headers)
    add = adding(client, user)

    def turn(count: int) -> int:
        if count % 10 == 5:
            broker.tell(placed(user, {number: 5}), times=2)
        return int(add(number).status_code)

    answers = at_once(100, turn)

    assert Counter(answers) == {200: 100}
    eventually(lambda: quantities(cart_of(client, user)) == {number: 50 + 100 - 10 * 5})


def test_removing_and_adding_at_once_never_fails(client: TestClient, signer: Signer, copied: Made) -> None:
    user, number = signer.user(), copied().product_id
    add = adding(client, user)

    def turn(count: int) -> int:
        if count % 2:
            return int(add(number).status_code)
        return int(client.post("/api/cart/remove_item/", json={"product_id": number}, headers=user.headers).status_code)

    assert set(at_once(60, turn)) <= {200, 404}
    version = client.get("/api/cart/", headers=user.headers).json()["version"]
    assert version >= 30
