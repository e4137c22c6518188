"""Keeping cart's own copy of the catalogue, so that carts work while catalog is away."""

from collections.abc import Sequence
from threading import Lock

from sqlalchemy import func
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from cart.clients import Catalog, Product
from cart.models import ProductCopy
from common.database import Sessions, retried
from common.events.catalog import ProductEvent

FIELDS = ("product_id", "sku", "name", "price", "currency", "status", "availability", "version")
PAGE = 500
LOCKS = 64
"""Products may share one: then the second waits for the first's answer in vain, and asks."""


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
    # Without it a product without a SKU would be written without that column, which MySQL then does not know as new.
    session.execute(told.on_duplicate_key_update(changes), rows, execution_options={"render_nulls": True})


class Learner:
    """Asks catalog about products that were never heard of, about each once however many wait for the answer."""

    def __init__(self, sessions: Sessions, catalog: Catalog) -> None:
        self._sessions = sessions
        self._catalog = catalog
        self._locks = [Lock() for _ in range(LOCKS)]

    def learn(self, product_id: int) -> None:
        """See to it that the product is known, if catalog knows it; then it costs no call. Raises Unavailable."""
        if self._is_known(product_id):
            return
        with self._locks[product_id % LOCKS]:
            if self._is_known(product_id):
                return
            product = self._catalog.product(product_id)
            if product is not None:
                _save(self._sessions, [product])

    def _is_known(self, product_id: int) -> bool:
        with self._sessions.begin() as session:
            return session.get(ProductCopy, product_id) is not None


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
