"""How far the copies of products have been compared with catalog."""

import sqlalchemy as sa
from alembic import op

from common.database import TABLE_OPTIONS, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "copy_rounds",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copy_rounds")),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("copy_rounds")
