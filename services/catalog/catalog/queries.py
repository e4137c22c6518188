"""What catalog can be asked about its products."""

from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from catalog import finding
from catalog.counting import Counts
from catalog.models import ACTIVE, Category, Product, availability_of
from catalog.schemas import AdminProductView, CategoryView, ProductQuery, ProductView
from catalog.sister_schemas import BriefQuery, ProductBrief, ProductBriefs
from common.database import Sessions
from common.errors import Forbidden, NotFound, Unauthorized
from common.pagination import Key, ListQuery, Page, keyed, numbered, read_page
from common.tokens import User

BY_SLUG = Key(Category.slug, str, down=False)
SHOWN = select(
    *(
        getattr(Product, name)
        for name in (*ProductView.model_fields, "on_hand", "reserved", "sold")
        if hasattr(Product, name) and name != "stock"
    )
)
"""What a product's views are made of."""


def list_products(
    sessions: Sessions, counts: Counts, query: ProductQuery, visitor: User | None, currency: str, base_url: str
) -> Page[Any]:
    """A page of products: the active ones, unless an administrator asks for others.

    Raises Invalid, NotFound past the end, Unauthorized and Forbidden for a status filter of others.
    """
    _check_rights(query, visitor)
    view = _view_for(visitor)
    with sessions.begin() as session:
        if query.by_cursor:
            found = finding.find(session, query)
            return keyed(base_url, query, _views(session, found, query, view, currency), found.last)
        found, count = _find(session, counts, query)
        return numbered(base_url, query, count, _views(session, found, query, view, currency))


def _find(session: Session, counts: Counts, query: ProductQuery) -> tuple[finding.Found, int]:
    """A page's ids and the list's number; nothing is looked for past the end."""
    if query.search is not None:
        found = finding.find(session, query)
        return found, counts.count(session, query) if found.total is None else found.total
    count = counts.count(session, query)
    return finding.find(session, query) if query.offset < count else finding.NOTHING, count


def _views(
    session: Session, found: finding.Found, query: ProductQuery, view: type[ProductView], currency: str
) -> list[ProductView]:
    """The products that were found, in this order, but for one that has just changed its status."""
    if not found.ids:
        return []
    wanted = SHOWN.where(Product.id.in_(found.ids), Product.status == (query.status or ACTIVE))
    rows = {row.id: row for row in session.execute(wanted)}
    return [view.of(rows[product_id], currency) for product_id in found.ids if product_id in rows]


def find_product(sessions: Sessions, product_id: int, visitor: User | None, currency: str) -> ProductView:
    """One product. Raises NotFound, also when it is not for this visitor."""
    return _one(sessions, Product.id == product_id, visitor, currency)


def find_by_sku(sessions: Sessions, sku: str, visitor: User | None, currency: str) -> ProductView:
    """The product with exactly this SKU. Raises NotFound."""
    return _one(sessions, Product.sku == sku, visitor, currency)


def list_categories(sessions: Sessions, query: ListQuery, base_url: str) -> Page[CategoryView]:
    """A page of categories in order of their slugs. Raises Invalid, NotFound past the end."""
    with sessions.begin() as session:
        return read_page(session, select(Category), BY_SLUG, query, base_url, CategoryView.model_validate)


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
        sold=row.sold,
    )


def _one(sessions: Sessions, which: ColumnElement[bool], visitor: User | None, currency: str) -> ProductView:
    view = _view_for(visitor)
    with sessions.begin() as session:
        row = session.execute(SHOWN.where(which)).one_or_none()
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
