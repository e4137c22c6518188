"""Counts built anew beside those that are told."""

import sqlalchemy as sa
from alembic import op

from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Forward."""
    op.add_column("stream", sa.Column("rebuild", Uuid(), nullable=True))
    op.add_column("stream", sa.Column("counted", Uuid(), nullable=True))
    op.create_table(
        "counted_orders",
        sa.Column("generation", Uuid(), nullable=False),
        sa.Column("order_id", Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("user_id", Uuid(), nullable=False),
        sa.Column("number", sa.String(24, collation=EXACT), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "order_id", name="pk_counted_orders"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "heard_meanwhile",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("generation", Uuid(), nullable=False),
        sa.Column("order_id", Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("placed_at", UtcDateTime(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_heard_meanwhile"),
        sa.Index("ix_heard_meanwhile_generation", "generation"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    """Back."""
    for table in ("heard_meanwhile", "counted_orders"):
        op.drop_table(table)
    for column in ("counted", "rebuild"):
        op.drop_column("stream", column)
