"""Reconciling: whether the counters are what the ledger, the holds and the products themselves come to.

Products are looked at in chunks, each in one snapshot that locks nothing: sales go on meanwhile, and what one of them
writes is seen whole or not at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Select, Subquery, and_, case, func, or_, select
from sqlalchemy.orm import Session

from catalog.models import ACTIVE, ARCHIVED, DRAFT, HELD, SOLD, TAKEN_BACK, Product, products
from catalog.models import reservation_lines as lines
from catalog.models import reservations as holds
from catalog.models import stock_movements as movements
from catalog.stock_schemas import Counter, Difference, Reconciliation
from catalog.versions import read_version
from common.database import Sessions

CHUNK = 5000
MOST_DIFFERENCES = 1000
COUNTERS: tuple[Counter, ...] = ("on_hand", "sold", "reserved")
STATUSES: dict[str, Counter] = {DRAFT: "count:draft", ACTIVE: "count:active", ARCHIVED: "count:archived"}

Range = tuple[int, int]
"""Products' ids: after the first, up to the last."""


@dataclass
class Findings:
    """What has been found so far; differences beyond the most are only known to be there."""

    checked: int = 0
    differences: list[Difference] = field(default_factory=list)
    more: bool = False

    def add(self, difference: Difference) -> None:
        """Note a difference, if there is room."""
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(difference)
        else:
            self.more = True


def reconcile(sessions: Sessions, chunk: int = CHUNK) -> Reconciliation:
    """Look at every product, and at how many there are of each status."""
    found = Findings()
    with _snapshot(sessions) as session:
        _compare_counts(session, found)
    last: int | None = 0
    while last is not None:
        with _snapshot(sessions) as session:
            last = _compare_products(session, last, chunk, found)
    return Reconciliation.model_validate(found)


@contextmanager
def _snapshot(sessions: Sessions) -> Iterator[Session]:
    """A transaction that sees throughout what was committed when it first looked."""
    with sessions.begin() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def _compare_counts(session: Session, found: Findings) -> None:
    rows = session.execute(select(Product.status, func.count().label("number")).group_by(Product.status))
    counted = {row.status: row.number for row in rows}
    version = read_version(session)
    for status, what in STATUSES.items():
        expected, number = counted.get(status, 0), version.count(status)
        if expected != number:
            found.add(Difference(product_id=None, sku=None, what=what, expected=expected, found=number))


def _compare_products(session: Session, after: int, chunk: int, found: Findings) -> int | None:
    """Look at the products that follow; the last one's id, None when there are no more."""
    ids = select(Product.id).where(Product.id > after).order_by(Product.id).limit(chunk).subquery()
    number, last = session.execute(select(func.count(), func.max(ids.c.id))).one()
    if last is None:
        return None
    found.checked += number
    for row in session.execute(_differing((after, last))):
        for difference in _differences(row):
            found.add(difference)
    return int(last)


def _differences(row: Row[Any]) -> Iterator[Difference]:
    for what in COUNTERS:
        expected, number = int(row._mapping[f"{what}_expected"]), int(row._mapping[what])
        if expected != number:
            yield Difference(product_id=row.id, sku=row.sku, what=what, expected=expected, found=number)


def _differing(within: Range) -> Select[Any]:
    """The products of which a counter is not what its rows add up to, with both."""
    moved, held = _moved(within), _held(within)
    sums = {"on_hand": moved.c.on_hand, "sold": moved.c.sold, "reserved": held.c.reserved}
    expected = {what: func.coalesce(total, 0) for what, total in sums.items()}
    shown = (column for what in COUNTERS for column in (products.c[what], expected[what].label(f"{what}_expected")))
    return (
        select(products.c.id, products.c.sku, *shown)
        .outerjoin(moved, moved.c.product_id == products.c.id)
        .outerjoin(held, held.c.product_id == products.c.id)
        .where(_is_within(products.c.id, within), or_(*(products.c[what] != expected[what] for what in COUNTERS)))
        .order_by(products.c.id)
    )


def _moved(within: Range) -> Subquery:
    """The ledger's sums by product: all of it, and the sales less those that were taken back."""
    sales = case((movements.c.reason.in_((SOLD, TAKEN_BACK)), -movements.c.delta), else_=0)
    return (
        select(
            movements.c.product_id,
            func.sum(movements.c.delta).label("on_hand"),
            func.sum(sales).label("sold"),
        )
        .where(_is_within(movements.c.product_id, within))
        .group_by(movements.c.product_id)
        .subquery()
    )


def _held(within: Range) -> Subquery:
    """What orders hold, by product."""
    return (
        select(lines.c.product_id, func.sum(lines.c.quantity).label("reserved"))
        .join(holds, holds.c.order_id == lines.c.order_id)
        .where(holds.c.state == HELD, _is_within(lines.c.product_id, within))
        .group_by(lines.c.product_id)
        .subquery()
    )


def _is_within(column: Any, within: Range) -> Any:
    return and_(column > within[0], column <= within[1])
