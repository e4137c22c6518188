"""The tables' room: the counts, the stream's number, and the log that every process reads from."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, SmallInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.database import TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.outbox import add_inbox


class Base(DeclarativeBase):
    metadata = new_metadata()


add_inbox(Base.metadata)

ONLY = 1
"""Key of the stream's one row."""


class Sold(Base):
    """How many units of a product are sold; below zero while a cancellation has overtaken its order."""

    __tablename__ = "sold"
    __table_args__ = TABLE_OPTIONS

    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sold: Mapped[int] = mapped_column(BigInteger)


class Stream(Base):
    """The stream's id and the number of its newest message.

    Its one row stays locked from the count to the commit: the order of the numbers is the order of the commits, and
    none is ever missing.
    """

    __tablename__ = "stream"
    __table_args__ = TABLE_OPTIONS

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[UUID] = mapped_column(Uuid)
    seq: Mapped[int] = mapped_column(BigInteger)


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
