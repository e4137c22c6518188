"""The tables of orders and the rules that an order keeps."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
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
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.errors import Conflict
from common.events.orders import Line
from common.idempotency import add_idempotency_keys
from common.outbox import add_outbox

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that looks like a digit."""
NUMBER_LETTERS = 12


class Placement(StrEnum):
    """How far the placing of an order has come; only what is placed is an order to the outside."""

    PENDING = "pending"
    PLACED = "placed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Status(StrEnum):
    """Where a placed order stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


MOVES: dict[Status, tuple[Status, ...]] = {
    Status.PENDING: (Status.PROCESSING, Status.CANCELLED),
    Status.PROCESSING: (Status.SHIPPED, Status.CANCELLED),
    Status.SHIPPED: (Status.DELIVERED,),
    Status.DELIVERED: (),
    Status.CANCELLED: (),
}
"""Every move that there is, besides staying."""


class Base(DeclarativeBase):
    metadata = new_metadata()


add_outbox(Base.metadata)
add_idempotency_keys(Base.metadata)


class Order(Base):
    """An order, or the intent of one (`placement`); `wanted` keeps what was asked for, so that anyone can go on."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("number"),
        CheckConstraint("total >= 0", name="total_not_negative"),
        Index("ix_orders_placement_deadline", "placement", "deadline"),
        Index("ix_orders_placement_created_at_id_status_total", "placement", "created_at", "id", "status", "total"),
        Index("ix_orders_placement_status_created_at_id", "placement", "status", "created_at", "id"),
        Index("ix_orders_user_id_placement_created_at_id_status", "user_id", "placement", "created_at", "id", "status"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    number: Mapped[str] = mapped_column(String(24, collation=EXACT))
    user_id: Mapped[UUID] = mapped_column(Uuid)
    scope: Mapped[bytes] = mapped_column(BINARY(32))
    placement: Mapped[str] = mapped_column(String(12))
    status: Mapped[str] = mapped_column(String(12))
    wanted: Mapped[list[dict[str, int]]] = mapped_column(JSON)
    total: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    currency: Mapped[str] = mapped_column(String(3))
    contact: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    shipping_address: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    note: Mapped[str] = mapped_column(String(1000))
    tracking: Mapped[str] = mapped_column(String(200), default="")
    deadline: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(Integer)

    lines: Mapped[list["OrderLine"]] = relationship(order_by="OrderLine.position", lazy="selectin")
    moves: Mapped[list["OrderMove"]] = relationship(order_by="OrderMove.id", lazy="raise", viewonly=True)

    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}

    def move_to(self, wanted: Status, tracking: str | None = None) -> bool:
        """Take a step, or only tell where the parcel is; False when the order stands there and nothing else is told.

        Raises Conflict for a step that there is not.
        """
        current = Status(self.status)
        tracking = self.tracking if tracking is None else tracking
        if wanted is current and tracking == self.tracking:
            return False
        if wanted is not current and wanted not in MOVES[current]:
            moves: dict[str, Any] = {"from": current, "to": wanted, "allowed": list(MOVES[current])}
            raise Conflict(
                f"an order that is {current} cannot become {wanted}",
                code="illegal_transition",
                **moves,
            )
        self.status = wanted
        self.tracking = tracking
        self.version += 1
        self.updated_at = now()
        return True

    def cancel(self, *, by_owner: bool, owner_until: Status) -> bool:
        """Cancel; False when it is cancelled already. Raises Conflict when it is too late for who asks."""
        current = Status(self.status)
        too_late = Conflict(f"an order that is {current} can no longer be cancelled", code="not_cancellable")
        if current is not Status.CANCELLED and Status.CANCELLED not in MOVES[current]:
            raise too_late
        if by_owner and current is Status.PROCESSING and owner_until is Status.PENDING:
            raise too_late
        return self.move_to(Status.CANCELLED)

    @property
    def etag(self) -> str:
        """The entity tag of this version."""
        return f'"{self.version}"'

    def event_data(self) -> dict[str, Any]:
        """What every event about this order tells."""
        return {
            "order_id": self.id,
            "version": self.version,
            "number": self.number,
            "user_id": self.user_id,
            "total": self.total,
            "currency": self.currency,
            "lines": [line.snapshot() for line in self.lines],
            "at": self.updated_at,
        }


class OrderLine(Base):
    """A product as it was when it was ordered; later changes of it do not reach here."""

    __tablename__ = "order_lines"
    __table_args__ = (
        ForeignKeyConstraint(["order_id"], ["orders.id"]),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("price >= 0", name="price_not_negative"),
        TABLE_OPTIONS,
    )

    order_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigInteger)
    sku: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    quantity: Mapped[int] = mapped_column(Integer)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))

    def snapshot(self) -> Line:
        """The line as events tell it."""
        return Line(product_id=self.product_id, sku=self.sku, name=self.name, quantity=self.quantity, price=self.price)


class OrderMove(Base):
    """One step of an order: when, from where to where, why and by whom."""

    __tablename__ = "order_moves"
    __table_args__ = (
        ForeignKeyConstraint(["order_id"], ["orders.id"]),
        Index("ix_order_moves_order_id", "order_id"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    order_id: Mapped[UUID] = mapped_column(Uuid)
    previous: Mapped[str | None] = mapped_column(String(12))
    status: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(String(500))
    actor_id: Mapped[UUID] = mapped_column(Uuid)
    actor_role: Mapped[str] = mapped_column(String(12))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


def order_number(order_id: UUID, placed_on: datetime) -> str:
    """A number that people can read out: the day, then 60 random bits of the id; no counter that all would wait for."""
    rest = order_id.int
    letters = ""
    for _ in range(NUMBER_LETTERS):
        rest, digit = divmod(rest, 32)
        letters += ALPHABET[digit]
    return f"{placed_on:%y%m%d}-{letters[:6]}-{letters[6:]}"
