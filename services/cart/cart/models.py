"""The tables of cart and the rules that a cart, its lines and the copied products keep."""

from collections.abc import Set
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, Integer, Numeric, SmallInteger, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cart.holders import Holder, unknown_cart
from common.clock import now
from common.database import TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.errors import Conflict, NotFound, PreconditionFailed
from common.idempotency import add_idempotency_keys
from common.outbox import add_inbox

MOST_LINES = 100
MOST_PIECES = 999
"""Products in a cart and pieces of one product (design: api, section 4)."""
MOST_ID = 2**63 - 1
KEEP_GUESTS = timedelta(days=30)
"""How long a guest's cart stays after its last change, and what became of it is remembered (design: api, section 4)."""
THE_ROUND = 1


class Base(DeclarativeBase):
    metadata = new_metadata()


add_inbox(Base.metadata)
add_idempotency_keys(Base.metadata)


class Cart(Base):
    """One holder's cart. Whoever changes its lines holds this row's lock first, so changes come one after another.

    A guest's has no user and an end. Once it is merged it has `merged_by` and no lines, and stays until that end.
    """

    __tablename__ = "carts"
    __table_args__ = (
        CheckConstraint("(user_id is null) = (expires_at is not null)", name="guests_carts_end"),
        Index("ix_carts_expires_at", "expires_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    merged_by: Mapped[UUID | None] = mapped_column(Uuid)

    @classmethod
    def of(cls, holder: Holder, found: "Cart | None") -> "Cart":
        """The holder's cart by what was found in the table: that, or an empty one when nothing was put in yet.

        Raises NotFound when it is a guest's that is not there, has been merged or is past its time.
        """
        if found is not None:
            found.check_open()
            return found
        if holder.must_exist:
            raise unknown_cart()
        moment = now()
        expires_at = moment + KEEP_GUESTS if holder.user_id is None else None
        times = {"created_at": moment, "updated_at": moment, "expires_at": expires_at}
        return cls(id=holder.cart_id, user_id=holder.user_id, version=0, merged_by=None, **times)

    def check_open(self) -> None:
        """Raises NotFound when it is a guest's that has been merged or is past its time."""
        if self.merged_by is not None or self.is_over:
            raise unknown_cart()

    @property
    def is_over(self) -> bool:
        """Whether a guest's cart is past its time."""
        return self.expires_at is not None and self.expires_at <= now()

    def was_merged_into(self, own: "Cart") -> bool:
        """Whether it is remembered that this guest's cart went into that user's."""
        return self.merged_by is not None and self.merged_by == own.user_id and not self.is_over

    def check_version(self, expected: Set[int] | None) -> None:
        """Raises PreconditionFailed when the client has seen none but other versions."""
        if expected is not None and self.version not in expected:
            raise PreconditionFailed("the cart has changed since; read it again", version=self.version)

    def move_on(self) -> None:
        """Count a change."""
        self.version += 1
        self.updated_at = now()
        if self.expires_at is not None:
            self.expires_at = self.updated_at + KEEP_GUESTS


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

    def laid_into(self, cart: Cart) -> "Line":
        """The same in another cart: still the line that was put in then, at the price that was seen."""
        kept = {name: getattr(self, name) for name in ("product_id", "id", "quantity", "price", "added_at")}
        return Line(cart_id=cart.id, **kept)


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


class Round(Base):
    """How far the copies have been compared with catalog: one row; whoever puts `due_at` off takes the next page."""

    __tablename__ = "copy_rounds"
    __table_args__ = (TABLE_OPTIONS,)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    after: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
