"""The finding room: which products a list shows, found in an index whatever is asked.

Ids are found first, in an index that holds all that is needed for it; the rows themselves are read for one page only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.dialects.mysql import match
from sqlalchemy.orm import InstrumentedAttribute, Session

from catalog import words
from catalog.models import ACTIVE, MOST_ID, Product, products
from catalog.schemas import ProductQuery
from common.errors import Invalid
from common.fields import parse_money

Column = InstrumentedAttribute[Any]


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


ORDERED_BY: dict[str, tuple[Column, Callable[[Any], Any]]] = {
    "name": (Product.name, str),
    "price": (Product.price, parse_money),
    "created_at": (Product.created_at, _parse_time),
    "sold_count": (Product.sold, int),
    "id": (Product.id, int),
}
"""Columns by the names they go by in `ordering`, and how a cursor's word becomes their value again."""


PLAIN = "FORCE INDEX (ix_products_status_id)"
"""For the list without filter and order: many indexes begin with the status, and MySQL takes one that it must sort."""


@dataclass(frozen=True)
class Found:
    """The ids of a page in its order, the last one's keys if more follow, and how many a search has found in all."""

    ids: list[int]
    last: list[Any] | None
    total: int | None = None


NOTHING = Found([], None)
_total = func.count().over().label("total")


def conditions(query: ProductQuery) -> list[ColumnElement[bool]]:
    """The filters that were asked for."""
    asked: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
        (query.name, lambda name: Product.name == name),
        (query.sku, lambda sku: Product.sku == sku),
        (query.price, lambda price: Product.price == price),
        (query.price_min, lambda price: Product.price >= price),
        (query.price_max, lambda price: Product.price <= price),
        (query.in_stock, lambda there: Product.in_stock == int(there)),
        (query.category, lambda slug: Product.category == slug),
        (query.updated_since, lambda moment: Product.updated_at >= moment),
        (query.id_list, lambda ids: Product.id.in_(ids)),
        (query.search, _holds),
    ]
    filters = [condition(value) for value, condition in asked if value is not None]
    return [Product.status == (query.status or ACTIVE), *filters]


def _holds(search: str) -> ColumnElement[bool]:
    """Name or SKU have words that begin with all of these; nothing has no word at all."""
    wanted = words.wanted(search)
    return false() if wanted is None else match(products.c.words, against=wanted).in_boolean_mode()


def find(session: Session, query: ProductQuery) -> Found:
    """The page that the query asks for. Raises Invalid for a cursor of another list.

    What a search finds must be gathered whatever is shown of it, so it is counted on the way.
    """
    terms = _terms(query.ordering_words)
    keys = query.after() if query.by_cursor else None
    filters = conditions(query) + ([] if keys is None else _beyond(terms, keys))
    skipped = 0 if query.by_cursor else query.offset
    filters += _up_to(session, terms, filters, skipped + query.size)
    columns = [ORDERED_BY[term.removeprefix("-")][0] for term in terms]
    counted = [_total] if query.search is not None and not query.by_cursor else []
    ordered = select(*columns, *counted).where(*filters).order_by(*map(_order, terms)).offset(skipped)
    if len(terms) == len(conditions(query)) == 1:
        ordered = ordered.with_hint(Product, PLAIN)
    rows = session.execute(ordered.limit(query.size + 1)).all()
    page = rows[: query.size]
    return Found(
        [row.id for row in page],
        _keys(terms, page[-1]) if len(rows) > len(page) else None,
        rows[0].total if rows and counted else None,
    )


def _terms(asked: Sequence[str]) -> list[str]:
    """What to order by, each column once; rows alike come in order of their ids, in the direction of the last."""
    terms: dict[str, str] = {}
    for term in asked:
        terms.setdefault(term.removeprefix("-"), term)
    return [*terms.values(), "-id" if asked and asked[-1].startswith("-") else "id"]


def _order(term: str) -> ColumnElement[Any]:
    column, _ = ORDERED_BY[term.removeprefix("-")]
    return column.desc() if term.startswith("-") else column.asc()


def _keys(terms: Iterable[str], row: Any) -> list[Any]:
    return [getattr(row, ORDERED_BY[term.removeprefix("-")][0].key) for term in terms]


def _up_to(session: Session, terms: Sequence[str], filters: Sequence[Any], number: int) -> list[ColumnElement[bool]]:
    """For an order of several columns, which no index has: where the page ends in the first column, looked up in that
    column's index, so that no more than the rows before it are sorted."""
    if len(terms) < 3:
        return []
    first = terms[0]
    column, _ = ORDERED_BY[first.removeprefix("-")]
    border = session.scalar(select(column).where(*filters).order_by(_order(first)).offset(number).limit(1))
    if border is None:
        return []
    return [column >= border if first.startswith("-") else column <= border]


def _beyond(terms: Sequence[str], keys: Sequence[Any]) -> list[ColumnElement[bool]]:
    """The rows that come after these keys in this order. Raises Invalid for keys of another order."""
    steps: list[ColumnElement[bool]] = []
    level: list[ColumnElement[bool]] = []
    values = _values(terms, keys)
    for term, value in zip(terms, values, strict=True):
        column, _ = ORDERED_BY[term.removeprefix("-")]
        steps.append(and_(*level, column < value if term.startswith("-") else column > value))
        level.append(column == value)
    first, _ = ORDERED_BY[terms[0].removeprefix("-")]
    return [first <= values[0] if terms[0].startswith("-") else first >= values[0], or_(*steps)]


def _values(terms: Sequence[str], keys: Sequence[Any]) -> list[Any]:
    try:
        pairs = zip(terms, keys, strict=True)
        values = [ORDERED_BY[term.removeprefix("-")][1](key) for term, key in pairs]
        if -MOST_ID <= values[-1] <= MOST_ID:
            return values
    except (ValueError, OverflowError, TypeError):
        pass
    raise Invalid("this cursor belongs to another list; begin again with an empty one", code="invalid_cursor")
