"""Mails with a secret know which challenge of auth it belongs to."""

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


def downgrade() -> None:
    op.drop_constraint(op.f("uq_notifications_challenge_id"), "notifications", type_="unique")
    op.drop_column("notifications", "challenge_id")
