"""How many products a list has is known without counting them, and right after every change."""

from typing import Any

from sqlalchemy import func, select, text

from catalog.counting import Counts
from catalog.models import ACTIVE, ARCHIVED, DRAFT, Product
from catalog.schemas import ProductQuery
from catalog.versions import read_version


def _truth(shop: Any) -> dict[str, int]:
    with shop.sessions.begin() as session:
        rows = session.execute(select(Product.status, func.count()).group_by(Product.status)).all()
    return {DRAFT: 0, ACTIVE: 0, ARCHIVED: 0} | dict(map(tuple, rows))


def _kept(shop: Any) -> dict[str, int]:
    with shop.sessions.begin() as session:
        version = read_version(session)
    return {status: version.count(status) for status in (DRAFT, ACTIVE, ARCHIVED)}


def test_the_numbers_by_status_follow_every_way_of_changing_one(shop: Any, client: Any) -> None:
    product = shop.add()
    shop.add(status="draft")
    shop.change(product["id"], status="draft")
    shop.change(product["id"], status="active")
    client.delete(f"/api/products/{product['id']}/", headers=shop.admin.headers)
    client.delete(f"/api/products/{product['id']}/", headers=shop.admin.headers)
    sku = shop.sku()
    shop.take_in(f"sku,name,price,status\n{sku},A,1,draft\n{shop.sku()},B,1,\n{product['sku']},C,1,active\n")
    shop.take_in(f"sku,status\n{sku},archived\n")

    assert _kept(shop) == _truth(shop)


def test_a_transaction_that_is_rolled_back_moves_nothing(shop: Any, client: Any) -> None:
    taken = shop.add()
    before = _kept(shop)
    refused = client.post(
        "/api/products/", json={"name": "A", "price": 1, "sku": taken["sku"]}, headers=shop.admin.headers
    )

    assert refused.status_code == 409
    assert _kept(shop) == before


def _count(shop: Any, counts: Counts, **asked: Any) -> int:
    with shop.sessions.begin() as session:
        return counts.count(session, ProductQuery.model_validate(asked))


def test_a_filtered_list_is_counted_again_only_after_a_change(shop: Any) -> None:
    counts, name = Counts(), shop.sku()
    product = shop.add(name=name)
    assert _count(shop, counts, name=name) == 1

    with shop.sessions.begin() as session:  # behind catalog's back: no version moves
        session.execute(text("UPDATE products SET status = 'draft' WHERE id = :id"), {"id": product["id"]})
    assert _count(shop, counts, name=name) == 1
    with shop.sessions.begin() as session:
        session.execute(text("UPDATE products SET status = 'active' WHERE id = :id"), {"id": product["id"]})

    shop.add(name=name)
    assert _count(shop, counts, name=name) == 2


def test_a_list_in_stock_is_counted_again_when_a_product_sells_out(shop: Any) -> None:
    counts, name = Counts(), shop.sku()
    product = shop.add(name=name, stock=2)
    assert _count(shop, counts, name=name, in_stock=True) == 1

    shop.hold(shop.wish({product["id"]: 2}))

    assert _count(shop, counts, name=name, in_stock=True) == 0


def test_what_is_remembered_has_a_bound(shop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("catalog.counting.MOST_COUNTS", 3)
    counts = Counts()
    for n in range(10):
        _count(shop, counts, name=f"nobody {n}")

    assert len(counts._known) <= 3


def test_a_very_large_number_may_be_some_seconds_old(shop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("catalog.counting.MANY", 0)
    counts, name = Counts(), shop.sku()
    shop.add(name=name)
    assert _count(shop, counts, name=name) == 1

    shop.add(name=name)

    assert _count(shop, counts, name=name) == 1
    monkeypatch.setattr("catalog.counting.MANY_S", -1.0)
    assert _count(shop, counts, name=name) == 2
