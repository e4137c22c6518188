"""The tables' room: the counts, where orders stand, the streams' numbers, and the logs that all processes read."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.outbox import add_inbox


class Base(DeclarativeBase):
    metadata = new_metadata()


add_inbox(Base.metadata)

COUNTS, ORDERS = 1, 2
"""Keys of the streams."""


class Sold(Base):
    """How many units of a product are sold; below zero while a cancellation has overtaken its order."""

    __tablename__ = "sold"
    __table_args__ = TABLE_OPTIONS

    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sold: Mapped[int] = mapped_column(BigInteger)


class Stream(Base):
    """A stream's id and the number of its newest message.

    The row of the counts is locked by each batch before it reads any count or order, up to the commit, so one follows
    another: the order of the numbers, in either stream, is the order of the commits, and none is ever missing.
    """

    __tablename__ = "stream"
    __table_args__ = TABLE_OPTIONS

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[UUID] = mapped_column(Uuid)
    seq: Mapped[int] = mapped_column(BigInteger)
    rebuild: Mapped[UUID | None] = mapped_column(Uuid)
    """The generation of counts that is being built beside these, if one is."""
    counted: Mapped[UUID | None] = mapped_column(Uuid)
    """The generation that the counts were last built as."""


class SoldIn(Base):
    """Units of a product out of orders placed in one minute or hour, `span_s` from `begin` on, less those cancelled."""

    __tablename__ = "sold_in"
    __table_args__ = TABLE_OPTIONS

    span_s: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    begin: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sold: Mapped[int] = mapped_column(BigInteger)


class LogEntry(Base):
    """A message of the stream: a product's count as it may be shown, never below zero."""

    __tablename__ = "stream_log"
    __table_args__ = TABLE_OPTIONS

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigInteger)
    sold_count: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class OrderState(Base):
    """Where an order stands, by the newest version that was heard of; kept as long as events may come twice."""

    __tablename__ = "order_state"
    __table_args__ = (
        Index("ix_order_state_user_id_at", "user_id", "at"),
        Index("ix_order_state_at", "at"),
        TABLE_OPTIONS,
    )

    order_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    number: Mapped[str] = mapped_column(String(24, collation=EXACT))
    status: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class OrderEntry(Base):
    """A message of the stream of orders: a step to another status."""

    __tablename__ = "order_log"
    __table_args__ = (Index("ix_order_log_user_id_seq", "user_id", "seq"), TABLE_OPTIONS)

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    order_id: Mapped[UUID] = mapped_column(Uuid)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    number: Mapped[str] = mapped_column(String(24, collation=EXACT))
    status: Mapped[str] = mapped_column(String(16))
    previous: Mapped[str | None] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    logged_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Import(Base):
    """How far a bulk upload has come, by the newest version that was heard of."""

    __tablename__ = "imports"
    __table_args__ = TABLE_OPTIONS

    task_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16))
    total: Mapped[int] = mapped_column(BigInteger)
    processed: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[int] = mapped_column(BigInteger)
    updated: Mapped[int] = mapped_column(BigInteger)
    unchanged: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    duplicates: Mapped[int] = mapped_column(BigInteger)
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class CountedOrder(Base):
    """An order as a rebuild has counted it: what was said of it up to this version is in the counts.

    The rest becomes its `OrderState` once the rebuild has come to its end.
    """

    __tablename__ = "counted_orders"
    __table_args__ = TABLE_OPTIONS

    generation: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    order_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    number: Mapped[str] = mapped_column(String(24, collation=EXACT))
    status: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Heard(Base):
    """A sale, or one taken back, that was heard of while a rebuild went on."""

    __tablename__ = "heard_meanwhile"
    __table_args__ = (Index("ix_heard_meanwhile_generation", "generation"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    generation: Mapped[UUID] = mapped_column(Uuid)
    order_id: Mapped[UUID] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(BigInteger)
    placed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    product_id: Mapped[int] = mapped_column(BigInteger)
    units: Mapped[int] = mapped_column(BigInteger)
