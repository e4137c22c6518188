"""Auth's tables: accounts, sessions, their refresh tokens, challenges, counted guesses, and the signing keys."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import BINARY, CheckConstraint, ForeignKeyConstraint, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid, new_metadata
from common.ids import new_id
from common.outbox import add_outbox


class Base(DeclarativeBase):
    """Everything in auth's schema."""

    metadata = new_metadata()


add_outbox(Base.metadata)


class Role(StrEnum):
    """What an account may do."""

    USER = "user"
    ADMIN = "admin"


def compared(name: str) -> str:
    """A username or address as it is compared: compatibility forms and case do not count."""
    return normalize("NFKC", normalize("NFKC", name).casefold())


class User(Base):
    """An account. Name and address are unique in their compared forms."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username_key"),
        UniqueConstraint("email_key"),
        CheckConstraint("role IN ('user', 'admin')", name="role"),
        Index(None, "role", "is_active"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(150))
    username_key: Mapped[str] = mapped_column(String(150, collation=EXACT))
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254, collation=EXACT))
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When somebody who reads the mail of this address has shown it last."""
    password_hash: Mapped[str] = mapped_column(String(255, collation=EXACT))
    first_name: Mapped[str] = mapped_column(String(150), default="")
    last_name: Mapped[str] = mapped_column(String(150), default="")
    phone_number: Mapped[str] = mapped_column(String(32), default="")
    role: Mapped[str] = mapped_column(String(16), default=Role.USER)
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)

    @property
    def full_name(self) -> str:
        """How a letter begins."""
        return f"{self.first_name} {self.last_name}".strip() or self.username

    @property
    def email_verified(self) -> bool:
        """Whether the address is known to be read by this person."""
        return self.email_verified_at is not None

    @property
    def facts(self) -> dict[str, Any]:
        """What the other services are told of it."""
        told = ("version", "username", "email", "first_name", "last_name", "role", "is_active")
        return {"user_id": self.id} | {name: getattr(self, name) for name in told}

    @property
    def identity(self) -> tuple[str, str, str]:
        """What whoever wants to sign in has to know."""
        return self.username, self.email, self.password_hash

    @property
    def own_words(self) -> list[str]:
        """What a password must not simply repeat."""
        local, names = self.email.rpartition("@")[0], f"{self.first_name} {self.last_name}".strip()
        return [self.username, self.email, local, self.first_name, self.last_name, names]

    @property
    def etag(self) -> str:
        """The strong entity tag of the account's view."""
        return f'"{self.version}"'


class UserSession(Base):
    """One sign-in and what followed from it: the family of its refresh tokens ends with it."""

    __tablename__ = "sessions"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        Index(None, "user_id"),
        Index(None, "revoked_at"),
        Index(None, "expires_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    amr: Mapped[str] = mapped_column(String(32))
    """How the session began, words with a space between them (RFC 8176)."""
    ip: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_for: Mapped[str | None] = mapped_column(String(32))


class RefreshToken(Base):
    """A refresh token, known only by its hash; it may be used once."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
        Index(None, "session_id"),
        Index(None, "expires_at"),
        TABLE_OPTIONS,
    )

    hash: Mapped[bytes] = mapped_column(BINARY(32), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by: Mapped[bytes | None] = mapped_column(BINARY(32))
    """Fingerprint of the client that used it."""
    repeated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its use was repeated because the answer had been lost."""


class Purpose(StrEnum):
    """What a challenge is answered for."""

    SIGN_IN = "sign_in"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose
    EMAIL_CHECK = "email_check"


class Closed(StrEnum):
    """Why a challenge can no longer be answered."""

    USED = "used"
    SUPERSEDED = "superseded"
    DEAD = "dead"
    """Guessed at too often."""


class Challenge(Base):
    """Something secret that is mailed to an address, and that only its reader can send back.

    The secret itself is nowhere: it is worked out from `seed` with a key that is not in the database. Challenges are
    made for any address that is named, whether an account has it or not.
    """

    __tablename__ = "challenges"
    __table_args__ = (
        Index(None, "email_key", "purpose", "created_at"),
        Index(None, "expires_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(16, collation=EXACT))
    email_key: Mapped[str] = mapped_column(String(254, collation=EXACT))
    seed: Mapped[bytes] = mapped_column(BINARY(32))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_for: Mapped[str | None] = mapped_column(String(16, collation=EXACT))

    @property
    def is_open(self) -> bool:
        """Whether it can be answered now."""
        return self.closed_at is None and self.expires_at > now()

    def close(self, reason: Closed) -> None:
        """Let it never be answered again; the first reason stays."""
        if self.closed_at is None:
            self.closed_at, self.closed_for = now(), reason


class Guesses(Base):
    """Failures in a row against one door: an account, an account from one address, the codes of an address."""

    __tablename__ = "guesses"
    __table_args__ = (Index(None, "updated_at"), TABLE_OPTIONS)

    door: Mapped[bytes] = mapped_column(BINARY(32), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the first of them was."""
    shut_until: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SigningKey(Base):
    """A key pair for access tokens; the private half is encrypted."""

    __tablename__ = "signing_keys"
    __table_args__ = (UniqueConstraint("generation"), TABLE_OPTIONS)

    kid: Mapped[str] = mapped_column(String(64, collation=EXACT), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
    """Counts up; being unique, it lets one of several replicas win that make the same key at once."""
    private_key: Mapped[str] = mapped_column(String(255, collation=EXACT))
    public_key: Mapped[bytes] = mapped_column(BINARY(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    activates_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """From when on it signs, unless a later generation does."""
    retires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From when on it is no longer published."""
