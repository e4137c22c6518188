"""Indexes that lists and statistics are read from, whatever is asked and however many orders there are."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_orders_placement_created_at_id_status_total": ["placement", "created_at", "id", "status", "total"],
    "ix_orders_placement_status_created_at_id": ["placement", "status", "created_at", "id"],
    "ix_orders_user_id_placement_created_at_id_status": ["user_id", "placement", "created_at", "id", "status"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "orders", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "orders")
