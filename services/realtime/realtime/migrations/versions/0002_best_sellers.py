"""Counts per minute and per hour, for what sells best."""

import sqlalchemy as sa
from alembic import op

from common.database import TABLE_OPTIONS, UtcDateTime

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "sold_in",
        sa.Column("span_s", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("begin", UtcDateTime(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("span_s", "begin", "product_id", name="pk_sold_in"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("sold_in")
