"""Accounts, sessions, refresh tokens, signing keys and the outbox."""

import sqlalchemy as sa
from alembic import op

from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _users()
    _sessions()
    _refresh_tokens()
    _signing_keys()
    _outbox()


def downgrade() -> None:
    """Drop the tables."""
    for table in ("outbox", "signing_keys", "refresh_tokens", "sessions", "users"):
        op.drop_table(table)


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", Uuid, nullable=False),
        sa.Column("username", sa.String(150), nullable=False),
        sa.Column("username_key", sa.String(150, collation=EXACT), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(254, collation=EXACT), nullable=False),
        sa.Column("password_hash", sa.String(255, collation=EXACT), nullable=False),
        sa.Column("first_name", sa.String(150), nullable=False),
        sa.Column("last_name", sa.String(150), nullable=False),
        sa.Column("phone_number", sa.String(32), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username_key", name="uq_users_username_key"),
        sa.UniqueConstraint("email_key", name="uq_users_email_key"),
        sa.CheckConstraint("role IN ('user', 'admin')", name=op.f("ck_users_role")),
        **TABLE_OPTIONS,
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", Uuid, nullable=False),
        sa.Column("user_id", Uuid, nullable=False),
        sa.Column("amr", sa.String(32), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_seen_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime, nullable=True),
        sa.Column("revoked_for", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
        sa.Index("ix_sessions_user_id", "user_id"),
        sa.Index("ix_sessions_revoked_at", "revoked_at"),
        sa.Index("ix_sessions_expires_at", "expires_at"),
        **TABLE_OPTIONS,
    )


def _refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("hash", sa.BINARY(32), nullable=False),
        sa.Column("session_id", Uuid, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.Column("used_by", sa.BINARY(32), nullable=True),
        sa.Column("repeated_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("hash", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_refresh_tokens_session_id", ondelete="CASCADE"
        ),
        sa.Index("ix_refresh_tokens_session_id", "session_id"),
        sa.Index("ix_refresh_tokens_expires_at", "expires_at"),
        **TABLE_OPTIONS,
    )


def _signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(64, collation=EXACT), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("private_key", sa.String(255, collation=EXACT), nullable=False),
        sa.Column("public_key", sa.BINARY(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("activates_at", UtcDateTime, nullable=False),
        sa.Column("retires_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        sa.UniqueConstraint("generation", name="uq_signing_keys_generation"),
        **TABLE_OPTIONS,
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("event_id", Uuid, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("published_at", UtcDateTime, nullable=True),
        sa.Column("parked_at", UtcDateTime, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
        sa.Index("ix_outbox_unsent", "published_at", "parked_at", "seq"),
        **TABLE_OPTIONS,
    )
