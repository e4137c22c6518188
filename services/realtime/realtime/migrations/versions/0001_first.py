"""The counts, the stream with its id, its log, and the inbox."""

import sqlalchemy as sa
from alembic import op

from common.database import TABLE_OPTIONS, UtcDateTime, Uuid
from common.ids import new_id

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "sold",
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name="pk_sold"),
        **TABLE_OPTIONS,
    )
    stream = op.create_table(
        "stream",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stream"),
        **TABLE_OPTIONS,
    )
    op.bulk_insert(stream, [{"id": 1, "name": new_id(), "seq": 0}])
    op.create_table(
        "stream_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("sold_count", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_stream_log"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_stream_log_at", "stream_log", ["at"])
    op.create_table(
        "inbox",
        sa.Column("event_id", Uuid(), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_inbox"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_inbox_heard_at", "inbox", ["heard_at"])


def downgrade() -> None:
    """Back."""
    for table in ("inbox", "stream_log", "stream", "sold"):
        op.drop_table(table)
