"""The bound for placing orders: what a client in C does of the same statements, one order in each transaction."""

import re
from pathlib import Path

from sqlalchemy import Engine, text

from catalog.models import products
from measuring.loading import ended
from measuring.results import NoLoad
from measuring.tools import SLAP
from stoa.servers import MariaDb

SCHEMA = "bound"
TABLES = {
    "catalog": ("products", "reservations", "reservation_lines"),
    "orders": ("orders", "order_lines", "order_moves", "outbox"),
}
ORDER = """
SET @p := {product}, @o := UNHEX(REPLACE(UUID(), '-', '')), @t := UTC_TIMESTAMP(6), @f := REPEAT('x', 32);
START TRANSACTION;
UPDATE products SET reserved = reserved + 1 WHERE id = @p AND status = 'active' AND on_hand - reserved >= 1;
INSERT INTO reservations (order_id, state, fingerprint, expires_at, created_at) VALUES (@o, 'held', @f, @t, @t);
INSERT INTO reservation_lines (order_id, product_id, quantity, name, price) VALUES (@o, @p, 1, 'A lantern', 12.50);
INSERT INTO orders (id, number, user_id, scope, placement, status, wanted, total, currency, note, tracking, deadline,
    created_at, updated_at, version)
    VALUES (@o, LEFT(HEX(@o), 24), @o, @f, 'placed', 'pending', '[]', 12.50, 'EUR', '', '', @t, @t, @t, 1);
INSERT INTO order_lines (order_id, position, product_id, name, quantity, price)
    VALUES (@o, 1, @p, 'A lantern', 1, 12.50);
INSERT INTO order_moves (order_id, status, reason, note, actor_id, actor_role, at)
    VALUES (@o, 'pending', 'customer', '', @o, 'user', @t);
INSERT INTO outbox (event_id, type, subject, sequence, envelope, created_at)
    VALUES (@o, 'order.placed', 'an order', 1, '{envelope}', @t);
COMMIT
"""
SLAP_S = 300
ENVELOPE = '{"data": "' + "x" * 500 + '"}'
"""As long as the event of an order with one line."""


def prepare(engine: Engine) -> None:
    """Copies of the tables that an order is written to, in a schema of their own, with the products in them."""
    names = ", ".join(column.name for column in products.columns if column.computed is None)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA} CHARACTER SET utf8mb4"))
        for schema, tables in TABLES.items():
            for table in tables:
                connection.execute(text(f"CREATE TABLE {SCHEMA}.{table} LIKE {schema}.{table}"))
        copied = f"INSERT INTO {SCHEMA}.products ({names}) SELECT {names} FROM catalog.products"  # noqa: S608 - names
        connection.execute(text(copied))


def orders_per_second(mysql: MariaDb, folder: Path, *, products: str, clients: int, orders: int) -> float:
    """How many orders a second so many clients write; `products` is SQL for the product that the next one is about.

    Raises NoLoad.
    """
    statements = ORDER.format(product=products, envelope=ENVELOPE)
    script = folder / "bound.sql"
    script.write_text(statements.replace("\n", " "))
    number = orders * (statements.count(";") + 1)
    command = [SLAP.path(), "--no-defaults", "--host=127.0.0.1", f"--port={mysql.port}", "--user=root", "--delimiter=;"]
    command += [f"--create-schema={SCHEMA}", f"--query={script}", f"--concurrency={clients}", "--no-drop"]
    command += [f"--number-of-queries={number}"]
    said = ended(command, SLAP_S, MYSQL_PWD=mysql.root_password)
    taken = re.search(r"Average number of seconds to run all queries: ([\d.]+)", said)
    if taken is None:
        raise NoLoad(f"mariadb-slap said something unknown: {said}")
    return orders / float(taken[1])
