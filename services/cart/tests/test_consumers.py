"""What cart does with what it hears."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import amqp
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from cart.models import ProductCopy
from common.clock import now
from common.database import Sessions
from common.events import Event
from common.events.catalog import ProductArchived, ProductCreated, ProductUpdated
from common.events.orders import Line, OrderPlaced
from common.ids import new_id
from common.outbox import inbox
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer
from common.testing.waiting import eventually

from .looking import cart_of

Made = Callable[..., ProductCreated]


@pytest.fixture
def hear(client: TestClient, broker: Broker, product: Made, sessions: Sessions) -> Callable[..., None]:
    """Tells events and waits until cart has heard them all: a sentinel comes last in the one queue."""

    def told(*events: Event, times: int = 1) -> None:
        sentinel = product()
        for event in events:
            broker.tell(event, times)
        broker.tell(sentinel)
        eventually(lambda: copy_of(sessions, sentinel.product_id))

    eventually(lambda: queue_exists(broker))
    return told


def queue_exists(broker: Broker) -> bool:
    """Whether the service has declared what it hears; its own queue is bound before the last one is there."""
    try:
        return broker.size("notifier.events") >= 0
    except amqp.NotFound:
        return False


def copy_of(sessions: Sessions, product_id: int) -> ProductCopy | None:
    with sessions.begin() as session:
        return session.get(ProductCopy, product_id)


def placed(user: SignedUser, *lines: tuple[int, int]) -> OrderPlaced:
    """An order of (product, quantity) lines."""
    return OrderPlaced(
        order_id=new_id(),
        version=1,
        number="241122-AAAAAA-BBBBBB",
        user_id=user.id,
        total=Decimal(1),
        currency="GBP",
        at=now(),
        lines=[Line(product_id=number, sku=None, name="x", quantity=some, price=Decimal(1)) for number, some in lines],
    )


@pytest.fixture
def filled(client: TestClient, signer: Signer, copied: Made) -> Callable[..., tuple[SignedUser, list[int]]]:
    """Fills a new user's cart with so many pieces of so many products."""

    def fill(*quantities: int) -> tuple[SignedUser, list[int]]:
        user, numbers = signer.user(), [copied().product_id for _ in quantities]
        for number, quantity in zip(numbers, quantities, strict=True):
            body = {"product_id": number, "quantity": quantity}
            assert client.post("/api/cart/add_item/", json=body, headers=user.headers).status_code == 200
        return user, numbers

    return fill


def pieces(client: TestClient, user: SignedUser) -> list[int]:
    return [item["quantity"] for item in cart_of(client, user)["items"]]


# Products


def test_a_new_product_is_known_without_asking_catalog(
    client: TestClient, signer: Signer, hear: Callable[..., None], product: Made, catalog: Any
) -> None:
    lantern = product()
    hear(lantern)
    before = len(catalog.asked)
    answer = client.post("/api/cart/add_item/", json={"product_id": lantern.product_id}, headers=signer.user().headers)

    assert answer.json()["items"][0]["product"]["name"] == lantern.name
    assert len(catalog.asked) == before


def test_a_change_and_an_end_of_sale_reach_the_copy(
    sessions: Sessions, hear: Callable[..., None], product: Made
) -> None:
    first = product()
    later = first.model_dump() | {"version": 4, "price": Decimal("9.99"), "availability": "out_of_stock"}
    hear(first, ProductUpdated(**later))
    copy = copy_of(sessions, first.product_id)
    assert copy is not None
    assert (copy.price, copy.availability, copy.status, copy.version) == (
        Decimal("9.99"),
        "out_of_stock",
        "active",
        4,
    )

    hear(ProductArchived(**later | {"version": 5, "status": "archived"}))
    copy = copy_of(sessions, first.product_id)
    assert copy is not None
    assert (copy.status, copy.version) == ("archived", 5)


def test_a_change_of_a_product_never_heard_of_is_enough_to_know_it(
    sessions: Sessions, hear: Callable[..., None], product: Made
) -> None:
    change = ProductUpdated(**product(version=7, name="Changed").model_dump())
    hear(change)

    copy = copy_of(sessions, change.product_id)
    assert copy is not None
    assert (copy.name, copy.version) == ("Changed", 7)


def test_a_stale_event_never_overwrites_a_newer_one(
    sessions: Sessions, hear: Callable[..., None], product: Made
) -> None:
    newest = product(version=9, name="Newest", price=Decimal("3.00"))
    stale = ProductUpdated(**newest.model_dump() | {"version": 8, "name": "Stale", "price": Decimal("2.00")})
    hear(newest, stale)
    hear(stale)

    copy = copy_of(sessions, newest.product_id)
    assert copy is not None
    assert (copy.name, copy.price, copy.version) == ("Newest", Decimal("3.00"), 9)


def test_an_event_that_does_not_fit_is_set_aside_and_its_neighbours_go_on(
    sessions: Sessions, hear: Callable[..., None], product: Made, broker: Broker
) -> None:
    before = broker.size("cart.events.dead")
    bad, good = product(name="x" * 300), product()
    hear(bad, good)

    assert copy_of(sessions, good.product_id) is not None
    assert copy_of(sessions, bad.product_id) is None
    eventually(lambda: broker.size("cart.events.dead") == before + 1)


def test_what_is_no_event_is_set_aside(hear: Callable[..., None], broker: Broker) -> None:
    before = broker.size("cart.events.dead")
    for body in (b"", b"{", json.dumps({"type": "product.updated"}).encode()):
        broker.send("product.updated", body)
    hear()

    eventually(lambda: broker.size("cart.events.dead") == before + 3)


# Orders


def test_what_was_ordered_leaves_the_cart_and_the_rest_stays(
    client: TestClient, hear: Callable[..., None], filled: Callable[..., Any]
) -> None:
    user, (one, two, three) = filled(3, 4, 5)
    hear(placed(user, (one, 3), (two, 1)))

    cart = cart_of(client, user)
    assert [(item["product"]["id"], item["quantity"]) for item in cart["items"]] == [(two, 3), (three, 5)]
    assert cart["version"] == 4


def test_never_more_leaves_than_lies_in_the_cart(
    client: TestClient, hear: Callable[..., None], filled: Callable[..., Any], product: Made
) -> None:
    user, (one, _) = filled(2, 1)
    hear(placed(user, (one, 10), (product().product_id, 3)))

    assert pieces(client, user) == [1]


def test_an_order_of_what_is_not_in_the_cart_leaves_it_as_it_is(
    client: TestClient, hear: Callable[..., None], filled: Callable[..., Any], product: Made
) -> None:
    user, _ = filled(2)
    before = cart_of(client, user)
    hear(placed(user, (product().product_id, 1)))

    assert cart_of(client, user) == before


def test_several_lines_of_one_product_are_taken_together(
    client: TestClient, hear: Callable[..., None], filled: Callable[..., Any]
) -> None:
    user, (one,) = filled(10)
    hear(placed(user, (one, 3), (one, 4)))

    assert pieces(client, user) == [3]


def test_an_order_told_three_times_takes_out_once(
    client: TestClient, hear: Callable[..., None], filled: Callable[..., Any], sessions: Sessions
) -> None:
    user, (one,) = filled(10)
    with sessions.begin() as session:
        before = session.scalar(select(func.count()).select_from(inbox).where(inbox.c.type == "order.placed"))
    hear(placed(user, (one, 2)), times=3)

    assert pieces(client, user) == [8]
    with sessions.begin() as session:
        after = session.scalar(select(func.count()).select_from(inbox).where(inbox.c.type == "order.placed"))
    assert (after or 0) - (before or 0) == 1


def test_many_orders_in_one_batch_each_count(
    client: TestClient, hear: Callable[..., None], filled: Callable[..., Any], product: Made
) -> None:
    user, (one,) = filled(20)
    other, (two,) = filled(20)
    orders = [placed(user, (one, 1)) for _ in range(8)] + [placed(other, (two, 2)) for _ in range(8)]
    hear(product(), *orders)

    assert (pieces(client, user), pieces(client, other)) == ([12], [4])


def test_an_order_of_somebody_without_a_cart_changes_nothing(
    client: TestClient, signer: Signer, hear: Callable[..., None], product: Made
) -> None:
    user = signer.user()
    hear(placed(user, (product().product_id, 1)))

    assert cart_of(client, user)["version"] == 0
