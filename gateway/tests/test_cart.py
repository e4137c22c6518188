"""The cart: what one person lays in, at today's prices."""

from collections.abc import Callable

import pytest

from common.testing.waiting import eventually

from .people import Json, Person, Visitor, all_at_once, new_product, ok, problem
from .site import PATIENCE_S

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

Newcomer = Callable[[], Person]


def _quantities(cart: Json) -> dict[int, int]:
    return {item["product"]["id"]: item["quantity"] for item in cart["items"]}


def test_things_are_laid_in_counted_and_taken_out(admin: Person, newcomer: Newcomer) -> None:
    buyer, jar, lamp = newcomer(), new_product(admin, price="2.50"), new_product(admin, price="10")
    assert ok(buyer.get("/api/cart/"))["items"] == []

    ok(buyer.post("/api/cart/add_item/", {"product_id": jar, "quantity": 2}))
    ok(buyer.post("/api/cart/add_item/", {"product_id": jar}))
    assert ok(buyer.post("/api/cart/add_item/", {"product_id": lamp}))["total"] == "17.50"
    assert _quantities(ok(buyer.get("/api/cart/"))) == {jar: 3, lamp: 1}

    assert ok(buyer.post("/api/cart/update_item/", {"product_id": jar, "quantity": 1}))["total"] == "12.50"
    ok(buyer.post("/api/cart/remove_item/", {"product_id": lamp}))
    problem(buyer.post("/api/cart/remove_item/", {"product_id": lamp}), 404, "not_in_cart")
    assert _quantities(ok(buyer.get("/api/cart/"))) == {jar: 1}


def test_a_guest_s_cart_comes_along_on_signing_in(admin: Person, stranger: Visitor, newcomer: Newcomer) -> None:
    jar, lamp = new_product(admin), new_product(admin)
    laid_in = stranger.post("/api/cart/add_item/", {"product_id": jar, "quantity": 2})
    ok(laid_in)
    token = laid_in.headers["x-cart-token"]
    shown = {"X-Cart-Token": token}
    assert _quantities(ok(stranger.get("/api/cart/", headers=shown))) == {jar: 2}
    assert ok(stranger.post("/api/cart/validate/", headers=shown))["ok"]

    buyer = newcomer()
    ok(buyer.post("/api/cart/add_item/", {"product_id": jar}))
    ok(stranger.post("/api/cart/add_item/", {"product_id": lamp}, headers=shown))
    merged = ok(buyer.post("/api/cart/merge/", {"cart_token": token}))
    assert (_quantities(merged["cart"]), merged["adjustments"]) == ({jar: 3, lamp: 1}, [])
    problem(stranger.get("/api/cart/", headers=shown), 404, "unknown_cart")
    problem(newcomer().post("/api/cart/merge/", {"cart_token": token}), 404, "unknown_cart")


def test_nobody_sees_anothers_cart(admin: Person, newcomer: Newcomer) -> None:
    one, other = newcomer(), newcomer()
    ok(one.post("/api/cart/add_item/", {"product_id": new_product(admin)}))
    assert ok(other.get("/api/cart/"))["items"] == []


def test_what_does_not_exist_or_makes_no_sense_is_refused(ada: Person, admin: Person) -> None:
    problem(ada.post("/api/cart/add_item/", {"product_id": 2**62}), 404, "product_not_found")
    jar = new_product(admin)
    for quantity in (0, -1, 1000, "2", 1.5, True):
        problem(ada.post("/api/cart/add_item/", {"product_id": jar, "quantity": quantity}), 400)


def test_a_new_price_and_an_empty_shelf_reach_the_cart(admin: Person, newcomer: Newcomer) -> None:
    buyer, jar = newcomer(), new_product(admin, price="5.00")
    item = ok(buyer.post("/api/cart/add_item/", {"product_id": jar}))["items"][0]
    assert (item["unit_price"], item["price_changed"], item["available"]) == ("5.00", False, True)

    ok(admin.patch(f"/api/products/{jar}/", {"price": "6.00", "stock": 0}))
    eventually(lambda: ok(buyer.get("/api/cart/"))["items"][0]["price_changed"], PATIENCE_S)
    cart = ok(buyer.get("/api/cart/"))
    assert (cart["items"][0]["unit_price"], cart["total"]) == ("6.00", "6.00")
    assert [found["code"] for found in cart["problems"]] == ["insufficient_stock"]

    assert admin.delete(f"/api/products/{jar}/").status_code == 204
    eventually(lambda: ok(buyer.get("/api/cart/"))["problems"][0]["code"] == "product_unavailable", PATIENCE_S)


def test_a_hundred_parallel_adds_of_one_make_a_hundred(admin: Person, newcomer: Newcomer) -> None:
    buyer, jar = newcomer(), new_product(admin, stock=500)
    all_at_once(lambda _: ok(buyer.post("/api/cart/add_item/", {"product_id": jar})), range(100), 20)
    assert _quantities(ok(buyer.get("/api/cart/"))) == {jar: 100}
