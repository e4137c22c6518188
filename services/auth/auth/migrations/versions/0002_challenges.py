"""Challenges that are mailed, counted guesses, and whether an address has been checked."""

import sqlalchemy as sa
from alembic import op

from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and the column."""
    op.add_column("users", sa.Column("email_verified_at", UtcDateTime, nullable=True))
    op.create_index("ix_users_role_is_active", "users", ["role", "is_active"])
    op.create_table(
        "challenges",
        sa.Column("id", Uuid, nullable=False),
        sa.Column("purpose", sa.String(16, collation=EXACT), nullable=False),
        sa.Column("email_key", sa.String(254, collation=EXACT), nullable=False),
        sa.Column("seed", sa.BINARY(32), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("closed_at", UtcDateTime, nullable=True),
        sa.Column("closed_for", sa.String(16, collation=EXACT), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_challenges"),
        sa.Index("ix_challenges_email_key_purpose_created_at", "email_key", "purpose", "created_at"),
        sa.Index("ix_challenges_expires_at", "expires_at"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "guesses",
        sa.Column("door", sa.BINARY(32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("shut_until", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("door", name="pk_guesses"),
        sa.Index("ix_guesses_updated_at", "updated_at"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("guesses", "challenges"):
        op.drop_table(table)
    op.drop_index("ix_users_role_is_active", "users")
    op.drop_column("users", "email_verified_at")
