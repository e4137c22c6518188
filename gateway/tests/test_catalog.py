"""The shop window: administrators fill it, everyone looks at it."""

import pytest

from .people import Person, Visitor, new_product, ok, problem

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_a_customer_changes_nothing_in_the_window(admin: Person, ada: Person) -> None:
    product = f"/api/products/{new_product(admin)}/"
    problem(ada.post("/api/products/", {"name": "Mine", "price": "1.00"}), 403, "forbidden")
    problem(ada.put(product, {"name": "Mine", "price": "1.00"}), 403)
    problem(ada.patch(product, {"price": "0.01"}), 403)
    problem(ada.delete(product), 403)
    problem(ada.post("/api/products/bulk-upload/", headers={"Content-Type": "text/csv"}, content="sku\n1"), 403)
    assert ok(ada.get(product))["price"] == "12.50"


def test_a_product_is_made_changed_and_taken_off_sale(admin: Person, ada: Person, stranger: Visitor) -> None:
    made = admin.post("/api/products/", {"name": "Krater of Vix", "sku": "VIX-1", "price": "99.90", "stock": 3})
    product = ok(made, 201)
    path = made.headers["location"]
    assert (product["price"], product["stock"], product["on_hand"]) == ("99.90", 3, 3)
    assert ok(stranger.get(path))["name"] == "Krater of Vix"
    assert "on_hand" not in stranger.get(path).json()

    assert ok(admin.patch(path, {"price": "89.90", "stock": 0}))["availability"] == "out_of_stock"
    assert ok(stranger.get(path))["price"] == "89.90"
    assert ok(admin.put(path, {"name": "Krater", "price": "79"}))["price"] == "79.00"
    problem(admin.post("/api/products/", {"name": "Twin", "sku": "VIX-1", "price": "1"}), 409, "sku_taken")

    assert admin.delete(path).status_code == 204
    for visitor in (stranger, ada):
        problem(visitor.get(path), 404)
        assert ok(visitor.get("/api/products/", params={"search": "VIX-1"}))["count"] == 0
    assert ok(admin.get(path))["status"] == "archived"


def test_anyone_may_list_search_and_page_through_the_gateways_own_links(admin: Person, stranger: Visitor) -> None:
    names = {f"Pelike {number}" for number in range(5)}
    for name in names:
        new_product(admin, name=name)
    first = ok(stranger.get("/api/products/", params={"search": "Pelike", "page_size": 3, "ordering": "name"}))
    assert (first["count"], first["previous"]) == (5, None)
    assert first["next"].startswith(str(stranger.http.base_url).rstrip("/"))
    second = ok(stranger.get(first["next"]))
    assert {row["name"] for row in first["results"] + second["results"]} == names


def test_an_unchanged_product_need_not_be_sent_again(admin: Person, stranger: Visitor) -> None:
    path = f"/api/products/{new_product(admin)}/"
    tag = stranger.get(path).headers["etag"]
    assert stranger.get(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("price", ["-1", "1.005", "1e2", True, None, "100000000.00"])
def test_a_price_is_an_amount_of_money(admin: Person, price: object) -> None:
    problem(admin.post("/api/products/", {"name": "Odd", "price": price}), 400)
