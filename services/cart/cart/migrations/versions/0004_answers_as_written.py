"""Keeps the answers to idempotency keys as they were written; code of before reads and writes them as it did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = "idempotency_keys"


def upgrade() -> None:
    for name in ("body", "headers"):
        op.alter_column(TABLE, name, type_=mysql.MEDIUMTEXT(), existing_type=sa.JSON(), existing_nullable=True)


def downgrade() -> None:
    for name in ("body", "headers"):
        op.alter_column(TABLE, name, type_=sa.JSON(), existing_type=mysql.MEDIUMTEXT(), existing_nullable=True)
