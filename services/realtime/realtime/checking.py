"""The checking room: what realtime has counted of each product held against what catalog has sold.

Both hear the same events, each in its own time, so a product that sells at this moment is compared again; it counts as
equal only if nothing of it moved while both were looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from sqlalchemy import ColumnElement, select

from common.checking import Check, Seen, chunked, compare
from common.database import Sessions
from realtime.clients import Catalog
from realtime.models import Sold

PAGE = 500


def own_checks(sessions: Sessions, catalog: Catalog, patience_s: float) -> Iterator[Check]:
    """What can be held against catalog."""
    yield Check("sold counts", "realtime – catalog", partial(see_counts, sessions, catalog, patience_s))


def see_counts(sessions: Sessions, catalog: Catalog, patience_s: float) -> Seen:
    """Whether each product is counted as often as catalog has sold it."""
    return compare("products", partial(_pages, sessions, catalog), partial(_again, sessions, catalog), patience_s)


def _pages(sessions: Sessions, catalog: Catalog) -> Iterator[tuple[int, Mapping[int, str]]]:
    last: int | None = 0
    while last is not None:
        theirs = catalog.page(last, PAGE)
        end = max(theirs) if len(theirs) == PAGE else None
        within = (Sold.product_id > last) if end is None else Sold.product_id.between(last + 1, end)
        yield len(theirs), dict(_differing(_counted(sessions, within), theirs))
        last = end


def _again(sessions: Sessions, catalog: Catalog, products: Sequence[int]) -> Mapping[int, str]:
    differing: dict[int, str] = {}
    for some in chunked(products, PAGE):
        before = _counted(sessions, Sold.product_id.in_(some))
        theirs = catalog.sold(some)
        after = _counted(sessions, Sold.product_id.in_(some))
        moved = {product for product in some if before.get(product) != after.get(product)}
        named = dict(_differing(after, theirs))
        differing |= {product: f"product {product} has moved all the time" for product in moved - named.keys()} | named
    return differing


def _counted(sessions: Sessions, which: ColumnElement[bool]) -> dict[int, int]:
    with sessions.begin() as session:
        return {row.product_id: row.sold for row in session.execute(select(Sold.product_id, Sold.sold).where(which))}


def _differing(mine: Mapping[int, int], theirs: Mapping[int, int]) -> Iterator[tuple[int, str]]:
    for product in sorted(mine.keys() | theirs.keys()):
        counted, sold = mine.get(product, 0), theirs.get(product, 0)
        if counted != sold:
            yield product, f"product {product}: counted are {counted}, catalog has sold {sold}"
