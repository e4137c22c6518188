"""The tables of notifier: whom mails go to, and each mail with its fate."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.outbox import add_inbox

RETRY_S = (30, 120, 600, 1800, 3600, 7200, 14400)
"""Seconds until the next try: growing, over about eight hours, then the mail has failed (design: api 6)."""
LEASE = timedelta(seconds=60)
"""How long a worker may take over one mail; longer than SMTP's own time-outs together."""


LONGEST_NAME = 200


class State(StrEnum):
    """Where a mail stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Base(DeclarativeBase):
    metadata = new_metadata()


add_inbox(Base.metadata)


class Recipient(Base):
    """Notifier's own copy of a user's name and address."""

    __tablename__ = "recipients"
    __table_args__ = (TABLE_OPTIONS,)

    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    version: Mapped[int] = mapped_column(Integer)


class Notification(Base):
    """One mail; one per cause, kind and recipient. `due_at` is its next try, or when its worker's lease ends."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("cause", "type", "user_id"),
        Index("ix_notifications_state_due_at", "state", "due_at"),
        Index("ix_notifications_user_id_id", "user_id", "id"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    cause: Mapped[str] = mapped_column(String(80, collation=EXACT))
    type: Mapped[str] = mapped_column(String(40, collation=EXACT))
    user_id: Mapped[UUID] = mapped_column(Uuid)
    email: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer)
    error: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def claim(self) -> bool:
        """Take the mail for sending; False when it is done or in another worker's hands."""
        free = self.state == State.QUEUED or (self.state == State.SENDING and self.due_at <= now())
        if free:
            self.state = State.SENDING
            self.attempts += 1
            self.due_at = now() + LEASE
        return free

    def succeed(self) -> None:
        """The mail server has taken it."""
        self.state = State.SENT
        self.sent_at = now()
        self.error = ""

    def fail(self, error: str, *, for_good: bool) -> None:
        """Try again later, or never when the failure is final or the last delay has passed."""
        self.error = error[:500]
        if for_good or self.attempts > len(RETRY_S):
            self.state = State.FAILED
        else:
            self.state = State.QUEUED
            self.due_at = now() + timedelta(seconds=RETRY_S[self.attempts - 1])
