"""Where orders stand, and a stream of its own of what becomes of them."""

import sqlalchemy as sa
from alembic import op

from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid
from common.ids import new_id

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

STREAM = sa.table("stream", sa.column("id", sa.SmallInteger), sa.column("name", Uuid), sa.column("seq", sa.BigInteger))
ORDERS = 2


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "order_state",
        sa.Column("order_id", Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("user_id", Uuid(), nullable=False),
        sa.Column("number", sa.String(24, collation=EXACT), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_order_state"),
        sa.Index("ix_order_state_user_id_at", "user_id", "at"),
        sa.Index("ix_order_state_at", "at"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "order_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("order_id", Uuid(), nullable=False),
        sa.Column("user_id", Uuid(), nullable=False),
        sa.Column("number", sa.String(24, collation=EXACT), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("previous", sa.String(16), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("logged_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_order_log"),
        sa.Index("ix_order_log_user_id_seq", "user_id", "seq"),
        sa.Index("ix_order_log_logged_at", "logged_at"),
        **TABLE_OPTIONS,
    )
    op.bulk_insert(STREAM, [{"id": ORDERS, "name": new_id(), "seq": 0}])


def downgrade() -> None:
    """Back."""
    op.execute(STREAM.delete().where(STREAM.c.id == ORDERS))
    for table in ("order_log", "order_state"):
        op.drop_table(table)
