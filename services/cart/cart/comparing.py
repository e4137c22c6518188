"""Comparing the copy of the catalogue with catalog, page by page and round after round, and mending what differs.

An event carries a product's whole state, so one that is missing does no harm once a later one has come. What nothing
would show is that the newest is missing: a queue was emptied, a letter died, a database came back from a backup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from cart.clients import Catalog, Product
from cart.copying import FIELDS, PAGE, keep_copies
from cart.models import THE_ROUND, ProductCopy, Round
from common.clock import now
from common.database import Sessions, retried
from common.errors import Unavailable

log = structlog.get_logger(__name__)

REST = timedelta(minutes=10)
"""Between the end of a round and the next one's begin: as long as the copy may be wrong without anybody noticing."""
LEASE = timedelta(minutes=1)
"""How long whoever takes a page has for it, and how long a catalog that does not answer is left alone."""
FACTS = tuple(name for name in FIELDS if name != "version")

Back = tuple[ProductCopy, Mapping[str, Any]]
"""A copy as it was seen, and what it ought to be although that is no newer."""


def compare_next(sessions: Sessions, catalog: Catalog) -> None:
    """Compare the next page if it is due and no other process has taken it."""
    turn = _take(sessions)
    if turn is None:
        return
    try:
        last = compare_page(sessions, catalog, turn.after)
    except Unavailable as error:
        log.info("comparing_waits", error=error.detail)
        return
    _pass_on(sessions, turn, last)


@dataclass(frozen=True)
class Page:
    """Products by their ids as they are known here and at catalog; `last` of them all, None at the end."""

    last: int | None
    copies: Mapping[int, ProductCopy]
    products: Mapping[int, Product]


def look_at_page(sessions: Sessions, catalog: Catalog, after: int) -> Page:
    """Both sides of the products after this one. Raises Unavailable.

    The copy is looked at before catalog is asked: an answer that is older than what was seen then is none that an
    event has overtaken, but that of a catalog which has gone back.
    """
    with sessions.begin() as session:
        mine = select(ProductCopy).where(ProductCopy.product_id > after).order_by(ProductCopy.product_id)
        seen = session.scalars(mine.limit(PAGE)).all()
    told = catalog.page(after, PAGE)
    last = min((rows[-1].product_id for rows in (seen, told) if len(rows) >= PAGE), default=None)
    copies = {copy.product_id: copy for copy in seen if last is None or copy.product_id <= last}
    products = {product.product_id: product for product in told if last is None or product.product_id <= last}
    return Page(last, copies, products)


def compare_page(sessions: Sessions, catalog: Catalog, after: int) -> int | None:
    """Compare and mend the products after this one; the last of them, None at the end. Raises Unavailable."""
    page = look_at_page(sessions, catalog, after)
    newer = [product for product in page.products.values() if _is_newer(product, page.copies.get(product.product_id))]
    back = [
        (copy, values)
        for copy in page.copies.values()
        if (values := _as_it_ought_to_be(copy, page.products.get(copy.product_id))) is not None
    ]
    if newer or back:
        _mend(sessions, newer, back)
    return page.last


def stands_right(copy: ProductCopy | None, product: Product | None) -> bool:
    """Whether nothing about the copy would be mended."""
    if product is not None and _is_newer(product, copy):
        return False
    return copy is None or _as_it_ought_to_be(copy, product) is None


def _is_newer(product: Product, copy: ProductCopy | None) -> bool:
    return copy is None or (product.version > copy.version and not _is_same(product, copy))


def _is_same(product: Product, copy: ProductCopy) -> bool:
    return all(getattr(product, name) == getattr(copy, name) for name in FACTS)


def _as_it_ought_to_be(copy: ProductCopy, product: Product | None) -> Mapping[str, Any] | None:
    """What a copy has to go back to; None if it need not."""
    if product is None:
        return {"status": "archived", "version": 0} if copy.version else None
    if product.version > copy.version or (product.version == copy.version and _is_same(product, copy)):
        return None
    return product.model_dump(include=set(FIELDS))


@retried
def _mend(sessions: Sessions, newer: Sequence[Product], back: Sequence[Back]) -> None:
    with sessions.begin() as session:
        keep_copies(session, newer)
        for copy, values in back:
            _set_back(session, copy, values)
    log.info("copies_mended", newer=len(newer), back=len(back))


def _set_back(session: Session, copy: ProductCopy, values: Mapping[str, Any]) -> None:
    """Only what is still as it was seen: an event that has come since knows better."""
    as_seen = (ProductCopy.product_id == copy.product_id, ProductCopy.version == copy.version)
    session.execute(
        update(ProductCopy).where(*as_seen).values(values), execution_options={"synchronize_session": False}
    )


@retried
def _take(sessions: Sessions) -> Round | None:
    moment = now()
    with sessions.begin() as session:
        turn = session.get(Round, THE_ROUND)
        if turn is not None and turn.due_at > moment:
            return None
        first = insert(Round).values(id=THE_ROUND, after=0, due_at=moment)
        session.execute(first.on_duplicate_key_update(id=Round.id))
        turn = session.get_one(Round, THE_ROUND, with_for_update=True)
        if turn.due_at > moment:
            return None
        turn.due_at = moment + LEASE
    return turn


@retried
def _pass_on(sessions: Sessions, turn: Round, last: int | None) -> None:
    """Let the next page be taken, unless somebody has done so because this one took too long."""
    following = {"after": last, "due_at": now()} if last is not None else {"after": 0, "due_at": now() + REST}
    with sessions.begin() as session:
        session.execute(update(Round).where(Round.id == THE_ROUND, Round.due_at == turn.due_at).values(following))
