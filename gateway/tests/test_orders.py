"""An order's way: placed, told to everyone, moved, or cancelled and given back."""

from collections.abc import Callable

import pytest

from common.testing.waiting import eventually

from .people import Person, Visitor, mails_to, new_product, ok, problem, subjects_to, wait_for_numbers
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

Newcomer = Callable[[], Person]


def _wait_for_mail(site: Site, reader: Person, subject: str) -> None:
    eventually(lambda: subjects_to(site, reader.email)[subject], PATIENCE_S)


def test_the_cart_becomes_an_order_that_everyone_hears_of(
    site: Site, admin: Person, newcomer: Newcomer, stranger: Visitor
) -> None:
    buyer, jar, lamp = newcomer(), new_product(admin, price="2.50"), new_product(admin, price="10.00")
    ok(buyer.post("/api/cart/add_item/", {"product_id": jar, "quantity": 4}))
    ok(buyer.post("/api/cart/add_item/", {"product_id": lamp}))
    placed = buyer.post("/api/orders/")
    order = ok(placed, 201)
    assert (order["status"], order["total"], order["user"]) == ("pending", "20.00", buyer.id)
    assert ok(buyer.get(placed.headers["location"])) == order
    assert [row["id"] for row in ok(buyer.get("/api/orders/"))["results"]] == [order["id"]]

    wait_for_numbers(stranger, jar, stock=6, sold=4)
    wait_for_numbers(stranger, lamp, stock=9, sold=1)
    eventually(lambda: ok(buyer.get("/api/cart/"))["items"] == [], PATIENCE_S)
    problem(buyer.post("/api/orders/"), 400, "empty_order")

    subject = f"Your order {order['number']}"
    _wait_for_mail(site, buyer, subject)
    eventually(lambda: subjects_to(site, buyer.email)["Welcome to Stoa"], PATIENCE_S)
    assert subjects_to(site, buyer.email) == {subject: 1, "Welcome to Stoa": 1}
    assert "20.00" in next(mail.source for mail in mails_to(site, buyer.email) if mail.subject == subject)
    log = ok(buyer.get("/api/notifications/", params={"type": "order_confirmation"}))
    assert [(row["subject"], row["status"]) for row in log["results"]] == [(subject, "sent")]


def test_only_what_was_ordered_leaves_the_cart(admin: Person, newcomer: Newcomer) -> None:
    buyer, jar, lamp = newcomer(), new_product(admin), new_product(admin)
    ok(buyer.post("/api/cart/add_item/", {"product_id": jar, "quantity": 3}))
    ok(buyer.post("/api/cart/add_item/", {"product_id": lamp}))
    ok(buyer.post("/api/orders/", {"items": [{"product_id": lamp, "quantity": 1}]}), 201)
    eventually(lambda: len(ok(buyer.get("/api/cart/"))["items"]) == 1, PATIENCE_S)
    assert ok(buyer.get("/api/cart/"))["items"][0]["quantity"] == 3


def test_an_order_that_cannot_be_filled_is_refused_whole(admin: Person, ada: Person, stranger: Visitor) -> None:
    jar, lamp = new_product(admin, stock=1), new_product(admin, stock=5)
    wanted = [{"product_id": jar, "quantity": 2}, {"product_id": lamp, "quantity": 1}]
    refused = problem(ada.post("/api/orders/", {"items": wanted}), 409, "insufficient_stock")
    assert refused["items"] == [{"product_id": jar, "requested": 2, "available": 1}]
    problem(ada.order(2**62), 404, "product_not_found")
    for quantity in (0, -1, 1000, "1", None):
        problem(ada.post("/api/orders/", {"items": [{"product_id": jar, "quantity": quantity}]}), 400)
    wait_for_numbers(stranger, jar, stock=1, sold=0)
    wait_for_numbers(stranger, lamp, stock=5, sold=0)


def test_what_is_off_sale_cannot_be_ordered(admin: Person, ada: Person) -> None:
    jar = new_product(admin)
    assert admin.delete(f"/api/products/{jar}/").status_code == 204
    problem(ada.order(jar), 409, "product_unavailable")


def test_a_price_that_moved_is_told_before_it_is_paid(admin: Person, ada: Person, stranger: Visitor) -> None:
    jar = new_product(admin, price="5.00")
    wish = {"items": [{"product_id": jar, "quantity": 2}], "expected_total": "9.00"}
    problem(ada.post("/api/orders/", wish), 409, "total_changed")
    wait_for_numbers(stranger, jar, stock=10, sold=0)
    assert ok(ada.post("/api/orders/", wish | {"expected_total": "10.00"}), 201)["total"] == "10.00"


def test_orders_are_their_owners_business(admin: Person, ada: Person, ben: Person) -> None:
    order = f"/api/orders/{ok(ada.order(new_product(admin)), 201)['id']}/"
    problem(ben.get(order), 404)
    problem(ben.delete(order), 404)
    problem(ben.post(f"{order}cancel/"), 404)
    problem(ada.patch(order, {"status": "shipped"}), 403)
    assert ok(admin.get(order))["user"] == ada.id
    assert ok(ada.get(order))["status"] == "pending"


def test_the_administrator_moves_an_order_along_the_allowed_ways_only(
    site: Site, admin: Person, newcomer: Newcomer
) -> None:
    buyer = newcomer()
    placed = ok(buyer.order(new_product(admin)), 201)
    order = f"/api/orders/{placed['id']}/"
    refused = problem(admin.patch(order, {"status": "delivered"}), 409, "illegal_transition")
    assert (refused["from"], refused["to"]) == ("pending", "delivered")
    assert set(refused["allowed"]) == {"processing", "cancelled"}
    problem(admin.patch(order, {"status": "lost"}), 400)
    for status in ("processing", "shipped"):
        assert ok(admin.patch(order, {"status": status}))["status"] == status
        _wait_for_mail(site, buyer, f"Your order {placed['number']} is {status}")
    problem(buyer.delete(order), 409, "not_cancellable")
    timeline = ok(buyer.get(f"{order}timeline/"))
    assert [move["status"] for move in timeline] == ["pending", "processing", "shipped"]  # type: ignore[index]


def test_a_cancelled_order_gives_everything_back_once(
    site: Site, admin: Person, newcomer: Newcomer, stranger: Visitor
) -> None:
    buyer, jar = newcomer(), new_product(admin, stock=7)
    placed = ok(buyer.order(jar, 3), 201)
    order = f"/api/orders/{placed['id']}/"
    wait_for_numbers(stranger, jar, stock=4, sold=3)
    assert ok(buyer.delete(order))["status"] == "cancelled"
    assert ok(buyer.delete(order))["status"] == "cancelled"
    assert ok(buyer.post(f"{order}cancel/"))["status"] == "cancelled"
    wait_for_numbers(stranger, jar, stock=7, sold=0)
    problem(admin.patch(order, {"status": "processing"}), 409, "illegal_transition")
    subject = f"Your order {placed['number']} is cancelled"
    _wait_for_mail(site, buyer, subject)
    log = ok(buyer.get("/api/notifications/", params={"type": "order_cancellation"}))
    assert [row["subject"] for row in log["results"]] == [subject]
    assert subjects_to(site, buyer.email)[subject] == 1


def test_an_order_keeps_what_was_bought_whatever_becomes_of_the_product(admin: Person, ada: Person) -> None:
    jar = new_product(admin, price="5.00", name="Lekythos")
    order = f"/api/orders/{ok(ada.order(jar), 201)['id']}/"
    ok(admin.patch(f"/api/products/{jar}/", {"price": "8.00", "name": "Vase"}))
    line = ok(ada.get(order))["items"][0]
    assert (line["product"]["name"], line["price"]) == ("Lekythos", "5.00")
