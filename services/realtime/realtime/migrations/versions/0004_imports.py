"""How far each bulk upload has come."""

import sqlalchemy as sa
from alembic import op

from common.database import TABLE_OPTIONS, UtcDateTime, Uuid

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

COUNTS = ("total", "processed", "created", "updated", "unchanged", "failed", "duplicates")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "imports",
        sa.Column("task_id", Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_imports"),
        sa.Index("ix_imports_heard_at", "heard_at"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("imports")
