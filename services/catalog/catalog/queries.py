"""What catalog can be asked about its products."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from catalog.models import ACTIVE, MOST_ID, Product, availability_of
from catalog.schemas import AdminProductView, ProductQuery, ProductView
from catalog.sister_schemas import BriefQuery, ProductBrief, ProductBriefs
from common.database import Sessions
from common.errors import Forbidden, Invalid, NotFound, Unauthorized
from common.fields import parse_money
from common.pagination import Page, keyed, numbered
from common.tokens import User

CASELESS = "utf8mb4_unicode_520_ci"
STOCK = Product.on_hand - Product.reserved

Column = InstrumentedAttribute[Any]
Term = tuple[Column, bool]
"""A column that a list is ordered by, and whether downwards."""


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


def list_products(
    sessions: Sessions, query: ProductQuery, visitor: User | None, currency: str, base_url: str
) -> Page[Any]:
    """A page of products: the active ones, unless an administrator asks for others.

    Raises Invalid, NotFound past the end, Unauthorized and Forbidden for a status filter of others.
    """
    _check_rights(query, visitor)
    words = [*query.ordering_words, "id"]
    view = _view_for(visitor)
    with sessions.begin() as session:
        ordered = select(Product).where(*_conditions(query)).order_by(*map(_order, words))
        if query.by_cursor:
            rows, last = _from_cursor(session, ordered, query, words)
            return keyed(base_url, query, [view.of(row, currency) for row in rows], last)
        count = session.scalar(select(func.count()).select_from(Product).where(*_conditions(query))) or 0
        rows = session.scalars(ordered.offset(query.offset).limit(query.size)).all()
        return numbered(base_url, query, count, [view.of(row, currency) for row in rows])


def find_product(sessions: Sessions, product_id: int, visitor: User | None, currency: str) -> ProductView:
    """One product. Raises NotFound, also when it is not for this visitor."""
    return _one(sessions, Product.id == product_id, visitor, currency)


def find_by_sku(sessions: Sessions, sku: str, visitor: User | None, currency: str) -> ProductView:
    """The product with exactly this SKU. Raises NotFound."""
    return _one(sessions, Product.sku == sku, visitor, currency)


def list_briefs(sessions: Sessions, query: BriefQuery, currency: str) -> ProductBriefs:
    """Products of every status as sisters know them: those with these ids, or the next ones in order of the ids."""
    ids = query.id_list
    wanted = Product.id > query.after if ids is None else Product.id.in_(ids)
    with sessions.begin() as session:
        rows = session.scalars(select(Product).where(wanted).order_by(Product.id).limit(query.limit)).all()
    return ProductBriefs(products=[_brief(row, currency) for row in rows])


def _brief(row: Product, currency: str) -> ProductBrief:
    return ProductBrief(
        id=row.id,
        sku=row.sku,
        name=row.name,
        price=row.price,
        currency=currency,
        availability=availability_of(row.stock),
        status=row.status,
        version=row.version,
    )


def _one(sessions: Sessions, which: ColumnElement[bool], visitor: User | None, currency: str) -> ProductView:
    view = _view_for(visitor)
    with sessions.begin() as session:
        row = session.scalar(select(Product).where(which))
    if row is None or (row.status != ACTIVE and view is not AdminProductView):
        raise NotFound("there is no such product", code="product_not_found")
    return view.of(row, currency)


def _view_for(visitor: User | None) -> type[ProductView]:
    return AdminProductView if visitor is not None and visitor.is_admin else ProductView


def _check_rights(query: ProductQuery, visitor: User | None) -> None:
    if query.status is None:
        return
    if visitor is None:
        raise Unauthorized("sign in as an administrator to list by status")
    if not visitor.is_admin:
        raise Forbidden("only administrators list by status")


def _conditions(query: ProductQuery) -> list[ColumnElement[bool]]:
    """The filters that were asked for."""
    asked: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
        (query.name, lambda name: Product.name == name),
        (query.sku, lambda sku: Product.sku == sku),
        (query.price, lambda price: Product.price == price),
        (query.price_min, lambda price: Product.price >= price),
        (query.price_max, lambda price: Product.price <= price),
        (query.in_stock, lambda there: STOCK > 0 if there else STOCK == 0),
        (query.category, lambda slug: Product.category == slug),
        (query.updated_since, lambda moment: Product.updated_at >= moment),
        (query.id_list, lambda ids: Product.id.in_(ids)),
        (query.search, lambda text: and_(true(), *map(_holds, text.split()))),
    ]
    filters = [condition(value) for value, condition in asked if value is not None]
    return [Product.status == (query.status or ACTIVE), *filters]


def _holds(word: str) -> ColumnElement[bool]:
    """Name or SKU contain the word, in capitals or not."""
    sku = Product.sku.collate(CASELESS)
    return or_(Product.name.contains(word, autoescape=True), sku.contains(word, autoescape=True))


def _order(word: str) -> ColumnElement[Any]:
    column, _ = ORDERED_BY[word.removeprefix("-")]
    return column.desc() if word.startswith("-") else column.asc()


def _from_cursor(
    session: Session, ordered: Select[Product], query: ProductQuery, words: Sequence[str]
) -> tuple[Sequence[Product], list[Any] | None]:
    """The rows after the cursor, and the last one's keys if more follow."""
    keys = query.after()
    begun = ordered if keys is None else ordered.where(_beyond(words, keys))
    rows = session.scalars(begun.limit(query.size + 1)).all()
    page = rows[: query.size]
    if len(rows) == len(page):
        return page, None
    return page, [getattr(page[-1], ORDERED_BY[word.removeprefix("-")][0].key) for word in words]


def _beyond(words: Sequence[str], keys: Sequence[Any]) -> ColumnElement[bool]:
    """The rows that come after these keys in this order. Raises Invalid for keys of another order."""
    steps: list[ColumnElement[bool]] = []
    level: list[ColumnElement[bool]] = []
    for word, value in zip(words, _values(words, keys), strict=True):
        column, _ = ORDERED_BY[word.removeprefix("-")]
        steps.append(and_(*level, column < value if word.startswith("-") else column > value))
        level.append(column == value)
    return or_(*steps)


def _values(words: Sequence[str], keys: Sequence[Any]) -> list[Any]:
    try:
        pairs = zip(words, keys, strict=True)
        values = [ORDERED_BY[word.removeprefix("-")][1](key) for word, key in pairs]
        if -MOST_ID <= values[-1] <= MOST_ID:
            return values
    except (ValueError, OverflowError, TypeError):
        pass
    raise Invalid("this cursor belongs to another list; begin again with an empty one", code="invalid_cursor")
