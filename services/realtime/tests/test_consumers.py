"""What is heard, through a real broker."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from common.events.orders import OrderCancelled, OrderPlaced
from common.testing.broker import Broker
from common.testing.waiting import eventually

Placed = Callable[[dict[int, int]], OrderPlaced]
Cancelled = Callable[..., OrderCancelled]


def _shown(client: TestClient, *products: int) -> dict[int, int]:
    ids = ",".join(str(product) for product in products)
    data: list[dict[str, Any]] = client.get(f"/api/realtime/products/?ids={ids}").json()["data"]
    return {count["id"]: count["sold_count"] for count in data}


def _becomes(client: TestClient, product: int, sold: int) -> None:
    eventually(lambda: _shown(client, product) == {product: sold})


def test_an_order_counts_each_of_its_products(client: TestClient, broker: Broker, product: int, placed: Placed) -> None:
    other = product * 1000
    broker.tell(placed({product: 2, other: 5}))
    eventually(lambda: _shown(client, product, other) == {product: 2, other: 5})


def test_an_event_that_comes_three_times_counts_once(
    client: TestClient, broker: Broker, product: int, placed: Placed
) -> None:
    broker.tell(placed({product: 4}), times=3)
    broker.tell(placed({product: 1}), times=2)
    _becomes(client, product, 5)
    eventually(lambda: broker.size("realtime.events") == 0)
    assert _shown(client, product) == {product: 5}


def test_a_cancellation_takes_the_count_back(
    client: TestClient, broker: Broker, product: int, placed: Placed, cancelled: Cancelled
) -> None:
    broker.tell(placed({product: 4}))
    broker.tell(cancelled({product: 3}))
    _becomes(client, product, 1)


def test_a_cancellation_that_overtakes_its_order_comes_out_right(
    client: TestClient, broker: Broker, product: int, placed: Placed, cancelled: Cancelled
) -> None:
    marker = product * 1000
    broker.tell(cancelled({product: 4}))
    broker.tell(placed({marker: 1}))
    _becomes(client, marker, 1)
    assert _shown(client, product) == {product: 0}
    broker.tell(placed({product: 6}))
    _becomes(client, product, 2)


def test_giving_up_what_was_never_placed_changes_nothing(
    client: TestClient, broker: Broker, product: int, placed: Placed, cancelled: Cancelled
) -> None:
    broker.tell(placed({product: 4}))
    broker.tell(cancelled({product: 4}, was_placed=False))
    broker.tell(placed({product: 1}))
    _becomes(client, product, 5)


@pytest.mark.parametrize("body", [b"", b"nonsense", b'{"id": 1}', b"\xff\xfe"])
def test_nonsense_in_the_queue_does_not_stop_the_counting(
    client: TestClient, broker: Broker, product: int, placed: Placed, body: bytes
) -> None:
    broker.send("order.placed", body)
    broker.tell(placed({product: 1}))
    _becomes(client, product, 1)
