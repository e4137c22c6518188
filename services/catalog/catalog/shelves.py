"""The shelves' room: product rows locked in order of their ids, counted in memory, written in one statement.

Whoever moves stock comes through here, so two transactions always meet at their products in the same order and no
deadlock is possible between them (design: reliability, fact 8; performance, section 2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from catalog import versions
from catalog.models import Product, products, stock_movements
from catalog.telling import Shown, tell_change
from catalog.versions import FACTS, STOCK
from common import outbox
from common.bulk import update_rows
from common.clock import now
from common.events import Event

COUNTERS = ("on_hand", "reserved", "sold", "version")

_read = (
    select(*(getattr(Product, name) for name in ("id", "sku", "name", "price", "status", *COUNTERS)))
    .order_by(Product.id)
    .with_for_update()
)


@dataclass(slots=True)
class Shelf:
    """A product whose row is locked, as this transaction has changed it so far."""

    id: int
    sku: str | None
    name: str
    price: Decimal
    status: str
    on_hand: int
    reserved: int
    sold: int
    version: int
    written: tuple[int, ...] = ()
    shown: Shown = field(init=False)

    def __post_init__(self) -> None:
        self.written = self.counters
        self.shown = Shown.of(self)

    @property
    def counters(self) -> tuple[int, ...]:
        """What may change, in the order of COUNTERS."""
        return (self.on_hand, self.reserved, self.sold, self.version)

    @property
    def stock(self) -> int:
        """Pieces that can still be ordered."""
        return self.on_hand - self.reserved

    @property
    def has_changed(self) -> bool:
        """Whether the row must be written."""
        return self.counters != self.written

    def tell(self, currency: str) -> list[Event]:
        """What is said of the change; the version moves with it."""
        said, self.version = tell_change(self.shown, self, currency)
        return said


def lock_shelves(session: Session, product_ids: Iterable[int]) -> dict[int, Shelf]:
    """Lock these products' rows in order of their ids; those that do not exist are left out."""
    wanted = sorted(set(product_ids))
    if not wanted:
        return {}
    rows = session.execute(_read.where(Product.id.in_(wanted)))
    return {row.id: Shelf(*row) for row in rows}


def write_shelves(session: Session, shelves: Iterable[Shelf], currency: str) -> None:
    """Write the changed counters in one statement, and say which products show another availability or run low."""
    changed = [shelf for shelf in shelves if shelf.has_changed]
    if not changed:
        return
    said = [event for shelf in changed for event in shelf.tell(currency)]
    versions.move(session, FACTS if said else STOCK)
    update_rows(session, products, ("id", *COUNTERS), ((shelf.id, *shelf.counters) for shelf in changed))
    outbox.say(session, *said)


def move(
    product_id: int,
    delta: int,
    reason: str,
    *,
    note: str | None = None,
    order_id: UUID | None = None,
    actor: UUID | None = None,
) -> dict[str, Any]:
    """A row for the ledger."""
    return {
        "product_id": product_id,
        "delta": delta,
        "reason": reason,
        "note": note,
        "order_id": order_id,
        "actor": actor,
        "at": now(),
    }


def enter(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows into the ledger."""
    if rows:
        session.execute(insert(stock_movements), rows)
