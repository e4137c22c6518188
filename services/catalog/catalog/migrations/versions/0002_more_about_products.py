"""Categories, more about products, what lists are found by, and more about uploads."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from common.database import EXACT, TABLE_OPTIONS, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BREAKS = "code of before can add neither products nor uploads; none had been released"

SHARDS = 16
CHUNK = 1000
REASONS = "'set', 'import', 'sold', 'cancelled', 'lost', 'received', 'correction', 'damaged', 'returned', 'other'"
OLD_REASONS = "'set', 'import', 'sold', 'cancelled'"
ORDERED_BY = ("name", "price", "created_at", "sold")
INDEXES = {f"status_{name}": ["status", name, "id", "category", "in_stock"] for name in ORDERED_BY} | {
    "status_id": ["status", "id"],
    "status_updated_at": ["status", "updated_at", "id"],
    "status_in_stock": ["status", "in_stock", "id"],
    "category": ["category", "status"],
}


def upgrade() -> None:
    _categories()
    _products()
    _versions()
    _stock_movements()
    _imports()


def downgrade() -> None:
    _imports_as_before()
    _stock_movements_as_before()
    op.drop_table("catalogue_versions")
    _products_as_before()
    op.drop_table("categories")


def _categories() -> None:
    op.create_table(
        "categories",
        sa.Column("slug", sa.String(64, collation=EXACT), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_categories")),
        sa.CheckConstraint("slug <> ''", name=op.f("ck_categories_slug_is_something")),
        **TABLE_OPTIONS,
    )


def _products() -> None:
    op.add_column("products", sa.Column("category", sa.String(64, collation=EXACT), nullable=True))
    op.add_column("products", sa.Column("image_url", sa.String(2048), nullable=True))
    op.add_column("products", sa.Column("attributes", sa.JSON(), nullable=True))
    op.add_column("products", sa.Column("words", sa.String(1000), nullable=False, server_default=""))
    in_stock = sa.Computed("on_hand > reserved", persisted=True)
    op.add_column("products", sa.Column("in_stock", sa.SmallInteger(), in_stock, nullable=True))
    _find_words()
    op.alter_column("products", "words", existing_type=sa.String(1000), existing_nullable=False, server_default=None)
    for name, columns in INDEXES.items():
        op.create_index(f"ix_products_{name}", "products", columns)
    op.create_foreign_key(op.f("fk_products_category"), "products", "categories", ["category"], ["slug"])
    op.create_check_constraint(op.f("ck_products_name_is_something"), "products", "name <> ''")
    op.create_index("ft_products_words", "products", ["words"], mysql_prefix="FULLTEXT")


def _find_words() -> None:
    """Enter what the products that are there are searched by."""
    from catalog.words import searched  # noqa: PLC0415 - only a schema with products needs it

    table = sa.table("products", sa.column("id"), sa.column("sku"), sa.column("name"), sa.column("words"))
    write = sa.update(table).where(table.c.id == sa.bindparam("key")).values(words=sa.bindparam("found"))
    for rows in _chunks(table):
        op.get_bind().execute(write, [{"key": row.id, "found": searched(row.name, row.sku)} for row in rows])


def _chunks(table: Any) -> Iterator[Any]:
    last = 0
    wanted = sa.select(table.c.id, table.c.sku, table.c.name).order_by(table.c.id).limit(CHUNK)
    while rows := op.get_bind().execute(wanted.where(table.c.id > last)).all():
        yield rows
        last = rows[-1].id


def _products_as_before() -> None:
    op.drop_index("ft_products_words", "products")
    op.drop_constraint(op.f("ck_products_name_is_something"), "products", type_="check")
    op.drop_constraint(op.f("fk_products_category"), "products", type_="foreignkey")
    for name in INDEXES:
        op.drop_index(f"ix_products_{name}", "products")
    for column in ("in_stock", "words", "attributes", "image_url", "category"):
        op.drop_column("products", column)


def _versions() -> None:
    numbers = ("facts", "stock", "draft", "active", "archived")
    table = op.create_table(
        "catalogue_versions",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in numbers),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_catalogue_versions")),
        **TABLE_OPTIONS,
    )
    products = sa.table("products", sa.column("status"))
    counted = sa.select(products.c.status, sa.func.count()).group_by(products.c.status)
    there = dict(map(tuple, op.get_bind().execute(counted)))
    nothing = dict.fromkeys(numbers, 0)
    op.bulk_insert(table, [nothing | {"shard": n} | (there if n == 0 else {}) for n in range(SHARDS)])


def _stock_movements() -> None:
    op.add_column("stock_movements", sa.Column("note", sa.String(255), nullable=True))
    op.create_check_constraint(op.f("ck_stock_movements_delta_is_something"), "stock_movements", "delta <> 0")
    op.create_check_constraint(op.f("ck_stock_movements_reason_is_known"), "stock_movements", f"reason in ({REASONS})")


def _stock_movements_as_before() -> None:
    for name in ("reason_is_known", "delta_is_something"):
        op.drop_constraint(op.f(f"ck_stock_movements_{name}"), "stock_movements", type_="check")
    op.drop_column("stock_movements", "note")


def _imports() -> None:
    op.add_column("imports", sa.Column("duplicates", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("imports", "duplicates", existing_type=sa.Integer(), existing_nullable=False, server_default=None)
    op.add_column("imports", sa.Column("columns", sa.JSON(), nullable=True))
    op.add_column("imports", sa.Column("unknown_columns", sa.JSON(), nullable=True))
    op.add_column("imports", sa.Column("repeats", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("imports", "repeats", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
    _know("'pending', 'running', 'finished', 'failed', 'cancelled'")
    op.create_check_constraint(op.f("ck_imports_mode_is_known"), "imports", "mode in ('upsert', 'create', 'update')")
    op.create_check_constraint(op.f("ck_imports_on_error_is_known"), "imports", "on_error in ('skip', 'abort')")
    op.create_check_constraint(op.f("ck_imports_phase_is_known"), "imports", "phase in ('check', 'write')")


def _imports_as_before() -> None:
    for name in ("phase_is_known", "on_error_is_known", "mode_is_known"):
        op.drop_constraint(op.f(f"ck_imports_{name}"), "imports", type_="check")
    op.execute("UPDATE imports SET status = 'failed' WHERE status = 'cancelled'")
    _know("'pending', 'running', 'finished', 'failed'")
    for column in ("unknown_columns", "columns", "repeats", "duplicates"):
        op.drop_column("imports", column)


def _know(statuses: str) -> None:
    op.drop_constraint(op.f("ck_imports_status_is_known"), "imports", type_="check")
    op.create_check_constraint(op.f("ck_imports_status_is_known"), "imports", f"status in ({statuses})")
