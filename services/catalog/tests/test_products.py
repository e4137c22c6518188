"""What administrators and customers meet at catalog's door."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from common.testing.signing import SignedUser, Signer

NOTHING = UUID(int=7)
"""The id of no upload."""
ADMIN_ROUTES = [
    ("POST", "/api/products/"),
    ("PUT", "/api/products/999999/"),
    ("PATCH", "/api/products/999999/"),
    ("DELETE", "/api/products/999999/"),
    ("POST", "/api/products/bulk-upload/"),
    ("GET", "/api/products/bulk-upload/"),
    ("GET", f"/api/products/bulk-upload/{NOTHING}/"),
    ("GET", f"/api/products/bulk-upload/{NOTHING}/errors/"),
    ("GET", f"/api/products/scheduled_tasks/?task_id={NOTHING}"),
]


# The stranger and the wrong person


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
def test_a_stranger_is_asked_to_sign_in(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path, json={"name": "Lamp", "price": "1"})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
def test_a_customer_is_refused_before_anything_is_looked_up(
    client: TestClient, customer: SignedUser, method: str, path: str
) -> None:
    assert client.request(method, path, json={}, headers=customer.headers).status_code == 403


def test_an_admin_who_signed_in_by_code_alone_is_no_admin_here(client: TestClient, signer: Signer) -> None:
    by_code = signer.user("root", "admin", amr=("otp",))

    answer = client.post("/api/products/", json={"name": "Lamp", "price": "1"}, headers=by_code.headers)

    assert answer.status_code == 403


def test_a_bad_token_is_refused_on_a_public_route_too(client: TestClient) -> None:
    assert client.get("/api/products/", headers={"Authorization": "Bearer nonsense"}).status_code == 401


# The missing thing


@pytest.mark.parametrize(
    "product_id", ["999999", "0", "-1", "abc", "1.5", "9223372036854775808", "1" * 400, "%00", "ä"]
)
def test_a_product_that_is_not_there_or_cannot_be_is_404(client: TestClient, product_id: str) -> None:
    answer = client.get(f"/api/products/{product_id}/")

    assert answer.status_code == 404
    assert answer.json()["status"] == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_changing_what_is_not_there_is_404(client: TestClient, admin: SignedUser, method: str) -> None:
    body = {"name": "Lamp", "price": "1"}

    assert client.request(method, "/api/products/999999/", json=body, headers=admin.headers).status_code == 404


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_drafts_and_archived_products_exist_for_admins_only(shop: Any, customer: SignedUser, status: str) -> None:
    product = shop.add(status=status)
    path = f"/api/products/{product['id']}/"

    assert shop.client.get(path).status_code == 404
    assert shop.client.get(path, headers=customer.headers).status_code == 404
    assert shop.client.get(f"/api/products/by-sku/{product['sku']}/").status_code == 404
    assert shop.see(product["id"])["status"] == status


# The good way


def test_an_admin_adds_a_product_that_everyone_can_read(shop: Any, client: TestClient, admin: SignedUser) -> None:
    body = {"name": " White metal lantern ", "price": 3.4, "sku": shop.sku(), "stock": 7, "description": "Lights"}

    answer = client.post("/api/products/", json=body, headers=admin.headers)

    product = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/products/{product['id']}/"
    assert (product["name"], product["price"], product["currency"]) == ("White metal lantern", "3.40", "EUR")
    assert (product["stock"], product["on_hand"], product["reserved"]) == (7, 7, 0)
    seen = client.get(answer.headers["location"]).json()
    assert seen == {name: value for name, value in product.items() if name not in ("on_hand", "reserved")}
    assert seen["created_at"].endswith("Z")


def test_a_product_needs_no_more_than_name_and_price(client: TestClient, admin: SignedUser) -> None:
    product = client.post("/api/products/", json={"name": "Lamp", "price": "0"}, headers=admin.headers).json()

    assert (product["sku"], product["description"], product["stock"], product["status"]) == (None, "", 0, "active")
    assert product["availability"] == "out_of_stock"


def test_a_path_without_its_slash_is_the_same_path(shop: Any, client: TestClient) -> None:
    product = shop.add()

    assert client.get(f"/api/products/{product['id']}").json() == client.get(f"/api/products/{product['id']}/").json()


@pytest.mark.parametrize(("stock", "word"), [(6, "in_stock"), (5, "low_stock"), (1, "low_stock"), (0, "out_of_stock")])
def test_availability_follows_the_stock(shop: Any, stock: int, word: str) -> None:
    assert shop.add(stock=stock)["availability"] == word


def test_a_patch_changes_what_it_names(shop: Any) -> None:
    product = shop.add(description="old")

    changed = shop.change(product["id"], price="9.99", sku=None)

    assert (changed["price"], changed["sku"]) == ("9.99", None)
    assert (changed["name"], changed["description"], changed["stock"]) == ("Lantern", "old", 10)
    assert changed["updated_at"] > product["updated_at"]


def test_a_patch_that_changes_nothing_leaves_no_trace(shop: Any) -> None:
    product = shop.add()

    assert shop.change(product["id"], name="Lantern", stock=10) == product
    assert shop.change(product["id"]) == product


def test_a_put_asks_for_name_and_price_and_keeps_what_is_left_out(shop: Any, admin: SignedUser) -> None:
    product = shop.add(stock=4)
    path = f"/api/products/{product['id']}/"

    assert shop.client.put(path, json={"name": "Lamp"}, headers=admin.headers).status_code == 400
    answer = shop.client.put(path, json={"name": "Lamp", "price": "1.00"}, headers=admin.headers)

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["price"]) == ("Lamp", "1.00")
    assert (answer.json()["stock"], answer.json()["sku"]) == (4, product["sku"])


def test_setting_stock_sets_what_is_available_and_writes_the_ledger(shop: Any) -> None:
    product = shop.add(stock=10)
    shop.hold(shop.wish({product["id"]: 4}))

    changed = shop.change(product["id"], stock=1)

    assert (changed["stock"], changed["on_hand"], changed["reserved"]) == (1, 5, 4)
    assert shop.ledger(product["id"]) == [(10, "set"), (-5, "set")]


def test_deleting_archives_and_may_be_repeated(shop: Any, admin: SignedUser) -> None:
    product = shop.add()
    path = f"/api/products/{product['id']}/"

    assert shop.client.delete(path, headers=admin.headers).status_code == 204
    assert shop.client.delete(path, headers=admin.headers).status_code == 204

    assert shop.client.get(path).status_code == 404
    assert shop.see(product["id"])["status"] == "archived"
    assert shop.change(product["id"], status="active")["status"] == "active"


def test_skus_are_compared_to_the_letter(shop: Any, admin: SignedUser) -> None:
    sku = shop.sku()
    shop.add(sku=sku)
    lower = shop.add(sku=sku.lower())

    assert shop.client.get(f"/api/products/by-sku/{sku.lower()}/").json()["id"] == lower["id"]
    assert shop.client.get(f"/api/products/by-sku/{sku.title()}/").status_code == 404


def test_a_sku_may_hold_a_slash_or_a_space(shop: Any) -> None:
    for sku in (f"A/{shop.sku()}", f"A {shop.sku()} é"):
        assert shop.see_sku(shop.add(sku=sku)["sku"])["sku"] == sku


def test_a_taken_sku_is_a_conflict(shop: Any, admin: SignedUser) -> None:
    first, second = shop.add(), shop.add()
    body = {"name": "Lamp", "price": "1", "sku": first["sku"]}

    created = shop.client.post("/api/products/", json=body, headers=admin.headers)
    changed = shop.client.patch(f"/api/products/{second['id']}/", json={"sku": first["sku"]}, headers=admin.headers)

    assert (created.status_code, created.json()["code"]) == (409, "sku_taken")
    assert (changed.status_code, changed.json()["code"]) == (409, "sku_taken")


# Versions


def test_an_unchanged_product_is_not_sent_again(shop: Any) -> None:
    path = f"/api/products/{shop.add()['id']}/"
    tag = shop.client.get(path).headers["etag"]

    again = shop.client.get(path, headers={"If-None-Match": f'"other", W/{tag}'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_a_moved_stock_is_another_version(shop: Any) -> None:
    product = shop.add()
    path = f"/api/products/{product['id']}/"
    tag = shop.client.get(path).headers["etag"]
    shop.hold(shop.wish({product["id"]: 1}))

    assert shop.client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_change_of_an_old_version_is_refused(shop: Any, admin: SignedUser) -> None:
    product = shop.add()
    path = f"/api/products/{product['id']}/"
    tag = shop.client.get(path, headers=admin.headers).headers["etag"]
    on_it = admin.headers | {"If-Match": tag}

    first = shop.client.patch(path, json={"name": "Lamp"}, headers=on_it)
    second = shop.client.patch(path, json={"name": "Torch"}, headers=on_it)
    third = shop.client.patch(path, json={"name": "Torch"}, headers=admin.headers | {"If-Match": first.headers["etag"]})

    assert [first.status_code, second.status_code, third.status_code] == [200, 412, 200]
    assert shop.client.delete(path, headers=on_it).status_code == 412
