"""The first tables of catalog."""

import sqlalchemy as sa
from alembic import op

from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "idempotency_keys",
    "inbox",
    "outbox",
    "import_errors",
    "imports",
    "reservation_lines",
    "reservations",
    "stock_movements",
    "products",
)


def upgrade() -> None:
    _products()
    _stock_movements()
    _reservations()
    _imports()
    _events()
    _idempotency_keys()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _products() -> None:
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.String(64, collation=EXACT), nullable=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("sku", name=op.f("uq_products_sku")),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_products_on_hand_not_negative")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_products_reserved_not_negative")),
        sa.CheckConstraint("reserved <= on_hand", name=op.f("ck_products_reserved_is_on_hand")),
        sa.CheckConstraint("sold >= 0", name=op.f("ck_products_sold_not_negative")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_products_price_not_negative")),
        sa.CheckConstraint("status in ('draft', 'active', 'archived')", name=op.f("ck_products_status_is_known")),
        **TABLE_OPTIONS,
    )


def _stock_movements() -> None:
    op.create_table(
        "stock_movements",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("order_id", Uuid, nullable=True),
        sa.Column("actor", Uuid, nullable=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_stock_movements_product_id")),
        sa.Index("ix_stock_movements_product_id", "product_id", "id"),
        **TABLE_OPTIONS,
    )


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("order_id", Uuid, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.BINARY(32), nullable=True),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_reservations")),
        sa.CheckConstraint("state in ('held', 'committed', 'released')", name=op.f("ck_reservations_state_is_known")),
        sa.Index("ix_reservations_state", "state", "expires_at"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "reservation_lines",
        sa.Column("order_id", Uuid, nullable=False),
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(64, collation=EXACT), nullable=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "product_id", name=op.f("pk_reservation_lines")),
        sa.ForeignKeyConstraint(["order_id"], ["reservations.order_id"], name=op.f("fk_reservation_lines_order_id")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservation_lines_quantity_is_positive")),
        **TABLE_OPTIONS,
    )


def _imports() -> None:
    counters = ("total", "processed", "created", "updated", "unchanged", "failed", "ignored", "attempts")
    op.create_table(
        "imports",
        sa.Column("id", Uuid, nullable=False),
        sa.Column("started_by", Uuid, nullable=False),
        sa.Column("file", sa.String(64), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("on_error", sa.String(16), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(255), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in counters),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=True),
        sa.Column("finished_at", UtcDateTime, nullable=True),
        sa.Column("touched_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.CheckConstraint(
            "status in ('pending', 'running', 'finished', 'failed')", name=op.f("ck_imports_status_is_known")
        ),
        sa.Index("ix_imports_status", "status", "touched_at"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "import_errors",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", Uuid, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(64, collation=EXACT), nullable=True),
        sa.Column("field", sa.String(64), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("message", sa.String(500), nullable=False),
        sa.Column("raw", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_errors")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_errors_import_id")),
        sa.Index("ix_import_errors_import_id", "import_id", "line"),
        **TABLE_OPTIONS,
    )


def _events() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("event_id", Uuid, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("published_at", UtcDateTime, nullable=True),
        sa.Column("parked_at", UtcDateTime, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
        sa.Index("ix_outbox_unsent", "published_at", "parked_at", "seq"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", Uuid, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("heard_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_inbox")),
        sa.Index(op.f("ix_inbox_heard_at"), "heard_at"),
        **TABLE_OPTIONS,
    )


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.BINARY(32), nullable=False),
        sa.Column("fingerprint", sa.BINARY(32), nullable=False),
        sa.Column("owner", Uuid, nullable=False),
        sa.Column("resource_id", Uuid, nullable=False),
        sa.Column("lease_until", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_idempotency_keys")),
        sa.Index(op.f("ix_idempotency_keys_expires_at"), "expires_at"),
        **TABLE_OPTIONS,
    )
