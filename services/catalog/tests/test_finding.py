"""In a large catalogue every list is found in an index: what is read does not grow with the table."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from catalog.finding import conditions, find
from catalog.models import Product, categories, products
from catalog.schemas import ProductQuery
from catalog.words import searched
from common.clock import now
from common.database import Sessions, new_engine, new_sessions
from common.pagination import encode_cursor
from common.testing.explaining import plans, rows_read

SERVICE = Path(__file__).parents[1]
MANY = 8000
FEW = MANY // 8
"""Rows that a page may be found by reading; a scan reads eight times as many."""
SIZE = 20


@pytest.fixture(scope="module")
def large(new_schema: Callable[[Path], str]) -> Iterator[Sessions]:
    """A catalogue of its own with many products."""
    engine = new_engine(new_schema(SERVICE))
    sessions = new_sessions(engine)
    moment = now() - timedelta(days=400)
    with sessions.begin() as session:
        session.execute(insert(categories), [{"slug": f"c-{n}", "name": "C", "created_at": moment} for n in range(40)])
        session.execute(insert(products), [_row(n, moment) for n in range(MANY)])
        session.execute(text("ANALYZE TABLE products"))
    yield sessions
    engine.dispose()


def _row(n: int, moment: datetime) -> dict[str, Any]:
    name, sku = (
        f"{'lantern' if n % 100 == 0 else 'lamp'} {n * 7919 % MANY:05d} {'xs' if n % 90 == 0 else 'xl'}",
        f"S-{n}",
    )
    then = moment + timedelta(minutes=n * 31 % MANY)
    return {
        "sku": sku,
        "name": name,
        "description": "of bronze " * 20,
        "price": Decimal(n * 37 % MANY) / 4,
        "status": "draft" if n % 10 == 0 and n % 100 else "active",
        "category": f"c-{n * 13 % 40}",
        "words": searched(name, sku),
        "on_hand": 0 if n % 60 == 0 else 9,
        "reserved": 0,
        "sold": n * 53 % 3000,
        "version": 1,
        "created_at": then,
        "updated_at": then,
    }


LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "by name": {"ordering": "name"},
    "by name downwards": {"ordering": "-name"},
    "by price": {"ordering": "price"},
    "by price downwards": {"ordering": "-price"},
    "by age": {"ordering": "created_at"},
    "newest first": {"ordering": "-created_at"},
    "best sellers first": {"ordering": "-sold_count"},
    "by sales": {"ordering": "sold_count"},
    "by price, then name": {"ordering": "price,-name"},
    "of one name": {"name": f"lamp {7919 % MANY:05d} xl"},
    "of one SKU": {"sku": "S-77"},
    "of one price": {"price": "100.00"},
    "dear": {"price_min": "1990.00"},
    "cheap, by name": {"price_max": "5.00", "ordering": "name"},
    "sold out": {"in_stock": False},
    "in stock": {"in_stock": True},
    "in stock, by price": {"in_stock": True, "ordering": "price"},
    "of a category": {"category": "c-3"},
    "of a category, best sellers first": {"category": "c-3", "ordering": "-sold_count"},
    "of a category in stock, by name": {"category": "c-3", "in_stock": True, "ordering": "name"},
    "of a category that nobody knows": {"category": "c-99"},
    "changed lately": {"updated_since": (now() - timedelta(days=400) + timedelta(minutes=MANY - 60)).isoformat()},
    "some ids": {"ids": "5,17,4000,999999"},
    "searched": {"search": "lanter"},
    "searched by a short word": {"search": "xs lantern"},
    "searched, by price": {"search": "LANTERN", "ordering": "-price"},
    "drafts": {"status": "draft", "ordering": "price"},
}


def _query(asked: dict[str, Any], **more: Any) -> ProductQuery:
    return ProductQuery.model_validate(asked | more)


def _expected(session: Session, query: ProductQuery) -> list[int]:
    """The page, worked out without the help of a database's order."""
    rows = session.scalars(select(Product).where(*conditions(query))).all()
    for term in reversed(
        [*query.ordering_words, "-id" if (query.ordering or "").split(",")[-1].startswith("-") else "id"]
    ):
        name = term.removeprefix("-").replace("sold_count", "sold")
        rows = sorted(rows, key=lambda row: getattr(row, name), reverse=term.startswith("-"))
    return [row.id for row in rows][:SIZE]


@pytest.mark.parametrize("asked", LISTS.values(), ids=LISTS)
def test_a_page_is_found_by_reading_few_rows(large: Sessions, asked: dict[str, Any]) -> None:
    query = _query(asked, page_size=SIZE)
    with large.begin() as session:
        found, read = rows_read(session, lambda: find(session, query))
        expected = _expected(session, query)

    assert found.ids == expected
    assert read < FEW, f"{read} rows were read for {len(found.ids)}"


@pytest.mark.parametrize(
    "ordering", [None, "name", "-name", "price", "-price", "-created_at", "-sold_count", "price,-name"]
)
def test_a_page_deep_in_a_list_is_found_as_cheaply_by_its_cursor(large: Sessions, ordering: str | None) -> None:
    with large.begin() as session:
        middle = find(session, _query({"ordering": ordering, "page": MANY // 2 // SIZE, "page_size": SIZE}))
        assert middle.last is not None
        query = _query({"ordering": ordering, "cursor": encode_cursor(middle.last), "limit": SIZE})
        found, read = rows_read(session, lambda: find(session, query))
        following = find(session, _query({"ordering": ordering, "page": MANY // 2 // SIZE + 1, "page_size": SIZE}))

    assert found.ids == following.ids
    assert read < FEW, f"{read} rows were read"


@pytest.mark.parametrize("asked", LISTS.values(), ids=LISTS)
def test_no_list_is_planned_as_a_scan_of_the_table(large: Sessions, asked: dict[str, Any]) -> None:
    def look() -> None:
        with large.begin() as session:
            find(session, _query(asked, page_size=SIZE))

    for plan in plans(large.kw["bind"], look):
        assert plan["type"] != "ALL", f"{plan} is a scan"


def test_a_search_is_counted_while_it_is_made(large: Sessions) -> None:
    with large.begin() as session:
        assert find(session, _query({"search": "lantern", "page_size": 5})).total == MANY // 100
        assert find(session, _query({"search": "xs", "page_size": 5})).total == len(
            session.scalars(select(Product.id).where(*conditions(_query({"search": "xs"})))).all()
        )
