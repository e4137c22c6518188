"""The tables of notifier: whom mails go to, what they do not want to be told, and each mail with its fate."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import JSON, Index, Integer, String, Table, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.idempotency import add_idempotency_keys
from common.outbox import add_inbox

RETRY_S = (30, 120, 600, 1800, 3600, 7200, 14400)
"""Seconds until the next try: growing, over about eight hours, then the mail has failed (design: api 6)."""
LEASE = timedelta(seconds=60)
"""How long a worker may take over one mail; longer than SMTP's own time-outs together."""


EXPIRING_RETRY_S = 60
"""The longest pause before the next try of a mail that soon expires; it is tried until then."""
LONGEST_NAME = 200
NOBODY = UUID(int=0)
"""In the place of a mail's user as long as only auth knows whose it is, if anyone's."""
SWITCHABLE = ("order_status", "import_finished", "low_stock")
"""Types of mails that a user may do without; all others tell what somebody has to know (design: api 6)."""


class State(StrEnum):
    """Where a mail stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Its recipient had switched such mails off when it would have been queued."""


WAITING = (State.QUEUED, State.SENDING)


class Base(DeclarativeBase):
    metadata = new_metadata()


add_inbox(Base.metadata)
add_idempotency_keys(Base.metadata)


class Recipient(Base):
    """Notifier's own copy of what it has to know of a user."""

    __tablename__ = "recipients"
    __table_args__ = (Index(None, "is_admin"), TABLE_OPTIONS)

    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    version: Mapped[int] = mapped_column(Integer)
    is_admin: Mapped[bool | None]
    """Whether this is an administrator who may sign in; None as long as nobody has told."""


class SwitchedOff(Base):
    """A type of mails that a user does not want; all others are sent."""

    __tablename__ = "switched_off"
    __table_args__ = (TABLE_OPTIONS,)

    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    type: Mapped[str] = mapped_column(String(40, collation=EXACT), primary_key=True)


class Notification(Base):
    """One mail; one per cause, kind and recipient. `due_at` is its next try, or when its worker's lease ends.

    A mail with a secret holds the id of auth's challenge; the secret itself is in no column. One that an administrator
    has had sent again is a mail with a cause of its own, and knows of which it is a copy.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("cause", "type", "user_id"),
        UniqueConstraint("challenge_id"),
        Index("ix_notifications_state_due_at", "state", "due_at"),
        Index("ix_notifications_type_state_due_at", "type", "state", "due_at"),
        Index("ix_notifications_user_id_id", "user_id", "id"),
        Index(None, "resent_of"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    cause: Mapped[str] = mapped_column(String(80, collation=EXACT))
    type: Mapped[str] = mapped_column(String(40, collation=EXACT))
    user_id: Mapped[UUID] = mapped_column(Uuid)
    challenge_id: Mapped[UUID | None] = mapped_column(Uuid)
    resent_of: Mapped[UUID | None] = mapped_column(Uuid)
    """The first mail of those that say the same; None for that one itself."""
    email: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer)
    error: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    traceparent: Mapped[str | None] = mapped_column(String(55))
    """Where the trace of the event goes on, if it is told of; as long as W3C Trace Context 1 makes it."""

    @property
    def is_nobodys(self) -> bool:
        """Whether nobody has told yet whose mail this is."""
        return self.user_id == NOBODY

    @property
    def expires_at(self) -> datetime | None:
        """From when on the mail is worth nothing."""
        written = self.data.get("expires_at")
        return None if written is None else datetime.fromisoformat(written)

    @property
    def has_expired(self) -> bool:
        """Whether it is too late to send the mail."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def is_worthless_without_secret(self) -> bool:
        """A welcome is one also when there is nothing left to check."""
        return self.challenge_id is not None and self.type != "welcome"

    def address_to(self, user_id: UUID, email: str, name: str) -> None:
        """Note whose mail this is."""
        self.user_id = user_id
        self.email = email
        self.data = self.data | {"name": name}

    def succeed(self) -> None:
        """The mail server has taken it."""
        self.state = State.SENT
        self.sent_at = now()
        self.error = ""

    def fail(self, error: str, *, for_good: bool) -> None:
        """Try again later, or never when the failure is final or there is no next try."""
        self.error = error[:500]
        again_at = None if for_good else self._next_try()
        if again_at is None:
            self.state = State.FAILED
        else:
            self.state = State.QUEUED
            self.due_at = again_at

    def _next_try(self) -> datetime | None:
        """None when the last delay has passed, or the mail would have expired by then."""
        if self.expires_at is None:
            pauses = RETRY_S[self.attempts - 1 : self.attempts]
            return now() + timedelta(seconds=pauses[0]) if pauses else None
        again_at = now() + timedelta(seconds=min(RETRY_S[0] * self.attempts, EXPIRING_RETRY_S))
        return again_at if again_at < self.expires_at else None


MAILS = cast(Table, Notification.__table__)
"""The same rows for statements that need no objects, which cost less."""
