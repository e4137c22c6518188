"""Keeping cart's own copy of the catalogue, so that carts work while catalog is away."""

from collections.abc import Sequence

from sqlalchemy import func
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from cart.clients import Catalog, Product
from cart.models import ProductCopy
from common.database import Sessions, retried
from common.events.catalog import ProductEvent

FIELDS = ("product_id", "sku", "name", "price", "currency", "status", "availability", "version")
PAGE = 500


def keep_copies(session: Session, products: Sequence[ProductEvent | Product]) -> None:
    """Write what catalog has told in the caller's transaction; a version that is not newer changes nothing."""
    if not products:
        return
    told = insert(ProductCopy)
    newer = told.inserted.version > ProductCopy.version
    shown = [name for name in FIELDS if name not in ("product_id", "version")]
    changes = [(name, func.if_(newer, told.inserted[name], getattr(ProductCopy, name))) for name in shown]
    # MySQL assigns from left to right: the version comes last, or the comparisons would meet the new one.
    changes.append(("version", func.greatest(told.inserted.version, ProductCopy.version)))
    rows = [product.model_dump(include=set(FIELDS)) for product in products]
    rows.sort(key=lambda row: (row["product_id"], row["version"]))
    session.execute(told.on_duplicate_key_update(changes), rows)


def learn_product(sessions: Sessions, catalog: Catalog, product_id: int) -> None:
    """Ask catalog about a product that was never heard of; one that is known costs no call. Raises Unavailable."""
    with sessions.begin() as session:
        if session.get(ProductCopy, product_id) is not None:
            return
    product = catalog.product(product_id)
    if product is not None:
        _save(sessions, [product])


def rebuild_copies(sessions: Sessions, catalog: Catalog) -> int:
    """Copy the whole catalogue again, page by page; how many products there were. Raises Unavailable."""
    count = last = 0
    while page := catalog.page(last, PAGE):
        _save(sessions, page)
        count += len(page)
        last = page[-1].product_id
    return count


@retried
def _save(sessions: Sessions, products: Sequence[Product]) -> None:
    with sessions.begin() as session:
        keep_copies(session, products)
