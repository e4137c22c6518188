"""The tables of cart and the rules that a cart, its lines and the copied products keep."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Integer, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.clock import now
from common.database import TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.errors import Conflict, NotFound, PreconditionFailed
from common.idempotency import add_idempotency_keys
from common.outbox import add_inbox

MOST_LINES = 100
MOST_PIECES = 999
"""Products in a cart and pieces of one product (design: api, section 4)."""
MOST_ID = 2**63 - 1
USERS_CARTS = UUID("481684b7-8f48-47af-8eb6-e23a820ab7d4")
"""The namespace (RFC 9562, section 5.5) in which the id of a user's cart is derived from the user's."""


@dataclass(frozen=True)
class Holder:
    """Whose cart it is. The cart's id follows from it: two first adds meet in one row, and an id is there before it."""

    user_id: UUID

    @property
    def cart_id(self) -> UUID:
        """The id of this holder's cart, whether it exists yet or not."""
        return uuid5(USERS_CARTS, self.user_id.hex)


class Base(DeclarativeBase):
    metadata = new_metadata()


add_inbox(Base.metadata)
add_idempotency_keys(Base.metadata)


class Cart(Base):
    """One holder's cart. Whoever changes its lines holds this row's lock first, so changes come one after another."""

    __tablename__ = "carts"
    __table_args__ = (TABLE_OPTIONS,)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @classmethod
    def empty(cls, holder: Holder) -> "Cart":
        """The cart of a holder who has put nothing in yet."""
        moment = now()
        return cls(id=holder.cart_id, user_id=holder.user_id, version=0, created_at=moment, updated_at=moment)

    def check_version(self, expected: Set[int] | None) -> None:
        """Raises PreconditionFailed when the client has seen none but other versions."""
        if expected is not None and self.version not in expected:
            raise PreconditionFailed("the cart has changed since; read it again", version=self.version)

    def move_on(self) -> None:
        """Count a change."""
        self.version += 1
        self.updated_at = now()


class Line(Base):
    """One product in a cart; `price` is what it cost when it was added."""

    __tablename__ = "cart_lines"
    __table_args__ = (
        ForeignKeyConstraint(["cart_id"], ["carts.id"], ondelete="CASCADE"),
        CheckConstraint(f"quantity between 1 and {MOST_PIECES}", name="quantity_in_bounds"),
        TABLE_OPTIONS,
    )

    cart_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(Uuid)
    quantity: Mapped[int] = mapped_column(Integer)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ProductCopy(Base):
    """A product as catalog last told of it. No row is ever removed; a line refers to one without a foreign key, so that
    adding to a cart locks nothing that an event about the product would have to wait for."""

    __tablename__ = "product_copies"
    __table_args__ = (TABLE_OPTIONS,)

    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sku: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(16))
    availability: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(BigInteger)

    @property
    def is_on_sale(self) -> bool:
        """Whether catalog offers it at all."""
        return self.status == "active"

    @property
    def is_in_stock(self) -> bool:
        """Whether there was a piece left when catalog last told."""
        return self.availability != "out_of_stock"

    def check_can_be_added(self) -> None:
        """Raises NotFound or Conflict."""
        if not self.is_on_sale:
            raise NotFound("there is no such product", code="product_not_found")
        if not self.is_in_stock:
            raise Conflict(f"{self.name} is out of stock", code="insufficient_stock", available=0)
