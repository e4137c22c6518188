"""Takes away two indexes in whose place those of 0002 stand; code of before goes on, and sorts what it lists."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_orders_placement_status_id", "orders")
    op.drop_index("ix_orders_user_id_placement_id", "orders")


def downgrade() -> None:
    op.create_index("ix_orders_placement_status_id", "orders", ["placement", "status", "id"])
    op.create_index("ix_orders_user_id_placement_id", "orders", ["user_id", "placement", "id"])
