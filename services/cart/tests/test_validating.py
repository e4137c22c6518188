"""Whether a cart could be ordered, as the copy of the catalogue tells."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.events.catalog import ProductCreated
from common.testing.signing import SignedUser

from .looking import NewGuest

Made = Callable[..., ProductCreated]


@pytest.fixture(params=["user", "guest"])
def shown(request: pytest.FixtureRequest, user: SignedUser, guest: NewGuest, copied: Made) -> dict[str, str]:
    """The headers of somebody who may have a cart."""
    return user.headers if request.param == "user" else guest(copied(price=Decimal("0.00")))


@pytest.fixture
def validate(client: TestClient, shown: dict[str, str]) -> Callable[[], Any]:
    """Asks about the cart."""
    return lambda: client.post("/api/cart/validate/", headers=shown)


@pytest.fixture
def add(client: TestClient, shown: dict[str, str]) -> Callable[..., Any]:
    """Puts something in."""

    def post(product: ProductCreated, quantity: int) -> Any:
        body = {"product_id": product.product_id, "quantity": quantity}
        return client.post("/api/cart/add_item/", json=body, headers=shown)

    return post


def test_what_can_be_ordered_is_fine_at_today_s_price(
    validate: Callable[[], Any], add: Callable[..., Any], copied: Made, catalog: Any
) -> None:
    lantern = copied(price=Decimal("12.50"))
    add(lantern, 3)
    copied(product_id=lantern.product_id, version=2, price=Decimal("13.00"))
    before = len(catalog.asked)
    answer = validate()

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "problems": [], "total": "39.00"})
    assert len(catalog.asked) == before


@pytest.mark.parametrize(
    ("change", "code"),
    [({"status": "archived"}, "product_unavailable"), ({"availability": "out_of_stock"}, "insufficient_stock")],
)
def test_what_would_refuse_an_order_is_told_as_the_cart_tells_it(
    validate: Callable[[], Any],
    add: Callable[..., Any],
    client: TestClient,
    shown: dict[str, str],
    copied: Made,
    change: dict[str, str],
    code: str,
) -> None:
    lantern, rope = copied(), copied()
    add(lantern, 1)
    add(rope, 1)
    copied(product_id=rope.product_id, version=2, **change)
    said, cart = validate().json(), client.get("/api/cart/", headers=shown).json()

    assert said == {"ok": False, "problems": cart["problems"], "total": cart["total"]}
    assert [(problem["product_id"], problem["code"]) for problem in said["problems"]] == [(rope.product_id, code)]


def test_nothing_stands_against_an_empty_cart(client: TestClient) -> None:
    assert client.post("/api/cart/validate/").json() == {"ok": True, "problems": [], "total": "0.00"}


def test_validating_changes_nothing(
    validate: Callable[[], Any], add: Callable[..., Any], client: TestClient, shown: dict[str, str], copied: Made
) -> None:
    added = add(copied(), 1)
    validate()

    assert client.get("/api/cart/", headers=shown).headers["etag"] == added.headers["etag"]
