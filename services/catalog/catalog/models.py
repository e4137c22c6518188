"""The tables of catalog and the rules that products, stock and reservations keep; uploads have their own room."""

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
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from catalog.words import LONGEST_TEXT, searched
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
LONGEST_SLUG = 64
LONGEST_URL = 2048
LONGEST_NOTE = 255
SHARDS = 16
"""Rows that the catalogue's version is kept in; more than transactions that commit at the same moment."""

DRAFT, ACTIVE, ARCHIVED = "draft", "active", "archived"
HELD, COMMITTED, RELEASED = "held", "committed", "released"
SET, IMPORTED, SOLD, TAKEN_BACK, LOST = "set", "import", "sold", "cancelled", "lost"
"""Reasons in the ledger: an administrator or a file has said how much there is; an order was placed, was cancelled, or
was cancelled with its goods gone."""
ADJUSTED = ("received", "correction", "damaged", "returned", "other")
"""Reasons that an administrator gives (design: api 9.9)."""
REASONS = (SET, IMPORTED, SOLD, TAKEN_BACK, LOST, *ADJUSTED)
ORDERED_BY = ("name", "price", "created_at", "sold")
"""What a list is ordered by. Their indexes hold the ids, by which rows alike are ordered, and what lists are most often
filtered by, so that a page is found without reading a row that is not on it."""


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


class Category(Base):
    """What a product may be filed under. Its slug never changes, so products name it without another key."""

    __tablename__ = "categories"
    __table_args__ = (CheckConstraint("slug <> ''", name="slug_is_something"), TABLE_OPTIONS)

    slug: Mapped[str] = mapped_column(String(LONGEST_SLUG, collation=EXACT), primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


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
        CheckConstraint("name <> ''", name="name_is_something"),
        ForeignKeyConstraint(["category"], ["categories.slug"]),
        *(Index(f"ix_products_status_{name}", "status", name, "id", "category", "in_stock") for name in ORDERED_BY),
        Index("ix_products_status_id", "status", "id"),
        Index("ix_products_status_updated_at", "status", "updated_at", "id"),
        Index("ix_products_status_in_stock", "status", "in_stock", "id"),
        Index("ix_products_category", "category", "status"),
        Index("ft_products_words", "words", mysql_prefix="FULLTEXT"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sku: Mapped[str | None] = mapped_column(String(LONGEST_SKU, collation=EXACT))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    description: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    status: Mapped[str] = mapped_column(String(16))
    category: Mapped[str | None] = mapped_column(String(LONGEST_SLUG, collation=EXACT))
    image_url: Mapped[str | None] = mapped_column(String(LONGEST_URL))
    attributes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    words: Mapped[str] = mapped_column(String(LONGEST_TEXT))
    in_stock: Mapped[int | None] = mapped_column(
        SmallInteger, Computed("on_hand > reserved", persisted=True), deferred=True
    )
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

    def edit(self, values: Mapping[str, Any]) -> int:
        """Take the values over; by how many pieces `on_hand` has moved, so that `stock` is what was asked for."""
        before = self.on_hand
        for name, value in values.items():
            kept = value or None if name == "attributes" else value
            if name != "stock" and getattr(self, name) != kept:
                setattr(self, name, kept)
        if {"name", "sku"} & values.keys():
            self.words = searched(self.name, self.sku)
        if "stock" in values:
            self.on_hand = values["stock"] + self.reserved
        return self.on_hand - before


class StockMovement(Base):
    """The ledger: every change of `on_hand`. A product's rows add up to its `on_hand`, those of sales and cancellations
    to what it has sold."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        ForeignKeyConstraint(["product_id"], ["products.id"]),
        CheckConstraint("delta <> 0", name="delta_is_something"),
        CheckConstraint(f"reason in {REASONS}", name="reason_is_known"),
        Index("ix_stock_movements_product_id", "product_id", "id"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger)
    delta: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(String(LONGEST_NOTE))
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


class CatalogueVersion(Base):
    """A part of the catalogue's version and of the numbers of products by status; the parts' sums are what counts."""

    __tablename__ = "catalogue_versions"
    __table_args__ = (TABLE_OPTIONS,)

    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    facts: Mapped[int] = mapped_column(BigInteger)
    stock: Mapped[int] = mapped_column(BigInteger)
    draft: Mapped[int] = mapped_column(BigInteger)
    active: Mapped[int] = mapped_column(BigInteger)
    archived: Mapped[int] = mapped_column(BigInteger)


categories = Base.metadata.tables["categories"]
catalogue_versions = Base.metadata.tables["catalogue_versions"]
products = Base.metadata.tables["products"]
stock_movements = Base.metadata.tables["stock_movements"]
reservations = Base.metadata.tables["reservations"]
reservation_lines = Base.metadata.tables["reservation_lines"]
