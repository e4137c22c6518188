"""Mails with a secret know which challenge of auth it belongs to; what is urgent is found at once."""

import sqlalchemy as sa
from alembic import op

from common.database import Uuid

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("challenge_id", Uuid(), nullable=True))
    op.create_unique_constraint(op.f("uq_notifications_challenge_id"), "notifications", ["challenge_id"])
    op.create_index("ix_notifications_type_state_due_at", "notifications", ["type", "state", "due_at"])


def downgrade() -> None:
    op.drop_index("ix_notifications_type_state_due_at", "notifications")
    op.drop_constraint(op.f("uq_notifications_challenge_id"), "notifications", type_="unique")
    op.drop_column("notifications", "challenge_id")
