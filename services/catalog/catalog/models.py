"""The tables of catalog and the rules that products, stock, reservations and imports keep."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BINARY,
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.idempotency import add_idempotency_keys
from common.outbox import add_inbox, add_outbox

LOW = 5
"""Pieces left from which on a product is called low (design: api, section 3)."""
MOST_ID = 2**63 - 1
LONGEST_SKU = 64
LONGEST_NAME = 255
LONGEST_DESCRIPTION = 10_000

DRAFT, ACTIVE, ARCHIVED = "draft", "active", "archived"
HELD, COMMITTED, RELEASED = "held", "committed", "released"
PENDING, RUNNING, FINISHED, FAILED = "pending", "running", "finished", "failed"
CHECK, WRITE = "check", "write"


def availability_of(stock: int) -> str:
    """What customers are told about the pieces left."""
    if stock <= 0:
        return "out_of_stock"
    return "low_stock" if stock <= LOW else "in_stock"


class Base(DeclarativeBase):
    metadata = new_metadata()


add_outbox(Base.metadata)
add_inbox(Base.metadata)
add_idempotency_keys(Base.metadata)


class Product(Base):
    """A product and its stock: `on_hand` pieces are there, `reserved` of them are promised to orders being placed."""

    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("sku"),
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("reserved <= on_hand", name="reserved_is_on_hand"),
        CheckConstraint("sold >= 0", name="sold_not_negative"),
        CheckConstraint("price >= 0", name="price_not_negative"),
        CheckConstraint("status in ('draft', 'active', 'archived')", name="status_is_known"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sku: Mapped[str | None] = mapped_column(String(LONGEST_SKU, collation=EXACT))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    description: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    status: Mapped[str] = mapped_column(String(16))
    on_hand: Mapped[int] = mapped_column(BigInteger)
    reserved: Mapped[int] = mapped_column(BigInteger)
    sold: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @classmethod
    def new(cls, values: Mapping[str, Any]) -> "Product":
        """A product that nobody has ordered yet; `values` may name its `stock`."""
        product = cls(reserved=0, sold=0, on_hand=0, version=1)
        product.created_at = product.updated_at = now()
        product.edit(values)
        return product

    @property
    def stock(self) -> int:
        """Pieces that can be ordered."""
        return self.on_hand - self.reserved

    @property
    def facts(self) -> tuple[str | None, str, Decimal, str, str]:
        """What other services are told; a change of it is an event."""
        return (self.sku, self.name, self.price, self.status, availability_of(self.stock))

    def edit(self, values: Mapping[str, Any]) -> int:
        """Take the values over; by how many pieces `on_hand` has moved, so that `stock` is what was asked for."""
        before = self.on_hand
        for name, value in values.items():
            if name != "stock" and getattr(self, name) != value:
                setattr(self, name, value)
        if "stock" in values:
            self.on_hand = values["stock"] + self.reserved
        return self.on_hand - before


class StockMovement(Base):
    """The ledger: every change of `on_hand`. A product's rows add up to its `on_hand`."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        ForeignKeyConstraint(["product_id"], ["products.id"]),
        Index("ix_stock_movements_product_id", "product_id", "id"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger)
    delta: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(16))
    order_id: Mapped[UUID | None] = mapped_column(Uuid)
    actor: Mapped[UUID | None] = mapped_column(Uuid)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Reservation(Base):
    """What is held for one order. A row that was `released` before anything was held is a tombstone: it has no lines,
    and a hold that comes late is refused by it."""

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint("state in ('held', 'committed', 'released')", name="state_is_known"),
        Index("ix_reservations_state", "state", "expires_at"),
        TABLE_OPTIONS,
    )

    order_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    fingerprint: Mapped[bytes | None] = mapped_column(BINARY(32))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReservationLine(Base):
    """One product of a reservation, as it was when it was held. It refers to its product without a foreign key: no
    product is ever removed, and every writer holds the product's lock."""

    __tablename__ = "reservation_lines"
    __table_args__ = (
        ForeignKeyConstraint(["order_id"], ["reservations.order_id"]),
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        TABLE_OPTIONS,
    )

    order_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    quantity: Mapped[int] = mapped_column(Integer)
    sku: Mapped[str | None] = mapped_column(String(LONGEST_SKU, collation=EXACT))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))


class Import(Base):
    """A bulk upload. `processed` rows of the file are done in this phase: whoever goes on begins after them."""

    __tablename__ = "imports"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'running', 'finished', 'failed')", name="status_is_known"),
        Index("ix_imports_status", "status", "touched_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    started_by: Mapped[UUID] = mapped_column(Uuid)
    file: Mapped[str] = mapped_column(String(64))
    format: Mapped[str] = mapped_column(String(16))
    mode: Mapped[str] = mapped_column(String(16))
    on_error: Mapped[str] = mapped_column(String(16))
    dry_run: Mapped[bool]
    status: Mapped[str] = mapped_column(String(16), default=PENDING)
    phase: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(255))
    total: Mapped[int]
    processed: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    ignored: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    touched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in (FINISHED, FAILED)

    @property
    def rows_per_second(self) -> float:
        """Rows worked on per second since it began, to its end or until now."""
        if self.started_at is None:
            return 0.0
        seconds = ((self.finished_at or now()) - self.started_at).total_seconds()
        return round(self.processed / max(seconds, 0.001), 1)

    @property
    def writes(self) -> bool:
        """Whether rows are written in the present phase, as against only checked."""
        return self.phase == WRITE

    def count(self, *, created: int, updated: int, unchanged: int, failed: int, ignored: int) -> None:
        """Add a chunk's rows; progress forgives earlier failed attempts."""
        self.created += created
        self.updated += updated
        self.unchanged += unchanged
        self.failed += failed
        self.ignored += ignored
        self.processed += created + updated + unchanged + failed
        self.touched_at = now()
        self.attempts = 0

    def begin_writing(self) -> None:
        """From the phase of checking to that of writing, from the first row on."""
        self.phase = WRITE
        self.processed = self.created = self.updated = self.unchanged = self.ignored = 0

    def write_nothing(self) -> None:
        """After the check: none of the good rows will be written."""
        self.created = self.updated = self.unchanged = 0

    def end(self, status: str, reason: str | None = None) -> None:
        """Nothing more will happen."""
        self.status = status
        self.reason = reason
        self.finished_at = now()


class BadRow(Base):
    """A row of a file that was not taken, and why."""

    __tablename__ = "import_errors"
    __table_args__ = (
        ForeignKeyConstraint(["import_id"], ["imports.id"]),
        Index("ix_import_errors_import_id", "import_id", "line"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    import_id: Mapped[UUID] = mapped_column(Uuid)
    line: Mapped[int]
    sku: Mapped[str | None] = mapped_column(String(LONGEST_SKU, collation=EXACT))
    field: Mapped[str] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(String(500))
    raw: Mapped[Any] = mapped_column(JSON)


products = Base.metadata.tables["products"]
stock_movements = Base.metadata.tables["stock_movements"]
reservations = Base.metadata.tables["reservations"]
reservation_lines = Base.metadata.tables["reservation_lines"]
import_errors = Base.metadata.tables["import_errors"]
