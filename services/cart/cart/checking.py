"""The checking room: the copy of the catalogue held against catalog, and nothing mended, so that a fault is seen."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from sqlalchemy import select

from cart.clients import Catalog, Product
from cart.comparing import look_at_page, stands_right
from cart.models import ProductCopy
from common.checking import Check, Seen, compare
from common.database import Sessions


def own_checks(sessions: Sessions, catalog: Catalog, patience_s: float) -> Iterator[Check]:
    """What can be held against catalog."""
    yield Check("copy of the catalogue", "cart – catalog", partial(see_copies, sessions, catalog, patience_s))


def see_copies(sessions: Sessions, catalog: Catalog, patience_s: float) -> Seen:
    """Whether each product is known here as catalog has it."""
    return compare("products", partial(_pages, sessions, catalog), partial(_again, sessions, catalog), patience_s)


def _pages(sessions: Sessions, catalog: Catalog) -> Iterator[tuple[int, Mapping[int, str]]]:
    last: int | None = 0
    while last is not None:
        page = look_at_page(sessions, catalog, last)
        yield len(page.products), _differing(page.copies, page.products)
        last = page.last


def _again(sessions: Sessions, catalog: Catalog, ids: Sequence[int]) -> Mapping[int, str]:
    with sessions.begin() as session:
        seen = session.scalars(select(ProductCopy).where(ProductCopy.product_id.in_(ids))).all()
    products = {product_id: catalog.product(product_id) for product_id in ids}
    told = {product_id: product for product_id, product in products.items() if product is not None}
    return _differing({copy.product_id: copy for copy in seen}, told)


def _differing(copies: Mapping[int, ProductCopy], products: Mapping[int, Product]) -> dict[int, str]:
    return {
        product_id: f"product {product_id}: {_said(copies.get(product_id), products.get(product_id))}"
        for product_id in sorted(copies.keys() | products.keys())
        if not stands_right(copies.get(product_id), products.get(product_id))
    }


def _said(copy: ProductCopy | None, product: Product | None) -> str:
    here = "not known here" if copy is None else f"version {copy.version} here"
    there = "catalog knows none" if product is None else f"version {product.version} at catalog"
    return f"{here}, {there}"
