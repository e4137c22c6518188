"""Mails can be sent again and switched off, and it is known who is an administrator; null where nobody has told."""

import sqlalchemy as sa
from alembic import op

from common.database import UtcDateTime, Uuid

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("resent_of", Uuid(), nullable=True))
    op.create_index(op.f("ix_notifications_resent_of"), "notifications", ["resent_of"])
    op.add_column("recipients", sa.Column("is_admin", sa.Boolean(), nullable=True))
    op.create_index(op.f("ix_recipients_is_admin"), "recipients", ["is_admin"])
    op.create_table(
        "switched_off",
        sa.Column("user_id", Uuid(), nullable=False),
        sa.Column("type", sa.String(length=40, collation="utf8mb4_bin"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "type", name=op.f("pk_switched_off")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_520_ci",
    )
    _idempotency_keys()


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.BINARY(32), nullable=False),
        sa.Column("fingerprint", sa.BINARY(32), nullable=False),
        sa.Column("owner", Uuid(), nullable=False),
        sa.Column("resource_id", Uuid(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_idempotency_keys")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_520_ci",
    )
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    for table in ("idempotency_keys", "switched_off"):
        op.drop_table(table)
    op.drop_index(op.f("ix_recipients_is_admin"), "recipients")
    op.drop_column("recipients", "is_admin")
    op.drop_index(op.f("ix_notifications_resent_of"), "notifications")
    op.drop_column("notifications", "resent_of")
