"""Carts of guests, which end."""

import sqlalchemy as sa
from alembic import op

from common.database import UtcDateTime, Uuid

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("carts", "user_id", existing_type=Uuid, nullable=True)
    op.add_column("carts", sa.Column("expires_at", UtcDateTime, nullable=True))
    op.add_column("carts", sa.Column("merged_by", Uuid, nullable=True))
    op.create_check_constraint(
        op.f("ck_carts_guests_carts_end"), "carts", "(user_id is null) = (expires_at is not null)"
    )
    op.create_index("ix_carts_expires_at", "carts", ["expires_at"])


def downgrade() -> None:
    op.execute("DELETE FROM carts WHERE user_id IS NULL")
    op.drop_index("ix_carts_expires_at", "carts")
    op.drop_constraint(op.f("ck_carts_guests_carts_end"), "carts", type_="check")
    op.drop_column("carts", "merged_by")
    op.drop_column("carts", "expires_at")
    op.alter_column("carts", "user_id", existing_type=Uuid, nullable=False)
