"""Years of orders in a table: made up by the server itself, always the same, each in its last state."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from measuring.results import Step

APART_S = 20
"""Between two orders: four million of them take two and a half years."""
LINES_EACH = 2.5
CHUNK = 50_000
OWN = 200
"""Orders of each of the known buyers, however long the history: nobody orders more because others do."""
STRANGERS = 100_000

ORDERS = """
INSERT INTO orders (id, number, user_id, scope, placement, status, wanted, total, currency, note, tracking, deadline,
                    created_at, updated_at, version)
SELECT UNHEX(CONCAT(LPAD(HEX(FLOOR(UNIX_TIMESTAMP(at) * 1000)), 12, '0'), '7', LPAD(HEX(n * 7919 % 4096), 3, '0'),
                    LPAD(HEX(n * 104729 % 1000003), 16, '8'))),
       CONCAT('N-', n),
       CASE WHEN n < :known * :own THEN UNHEX(ELT(n % :known + 1, {buyers}))
            ELSE UNHEX(LPAD(HEX(n * 7919 % :strangers), 32, '4')) END,
       UNHEX(SHA2(n, 256)),
       CASE WHEN n % 50 = 7 THEN 'rejected' ELSE 'placed' END,
       CASE WHEN n % 100 = 3 THEN 'processing' WHEN n % 20 = 5 THEN 'cancelled' ELSE 'delivered' END,
       '[]', n % 100 + 0.25, 'USD', '', '', at, at, at, 4
FROM (SELECT seq AS n, TIMESTAMPADD(SECOND, :apart * seq, :begin) AS at FROM seq_{first}_to_{last}) AS made
"""
LINES = """
INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, price)
SELECT orders.id, position.seq, (n * 31 + position.seq) % 1000 + 1, NULL, 'Jug', 1, 2.50
FROM (SELECT seq AS n, CONCAT('N-', seq) AS number FROM seq_{first}_to_{last}) AS made
JOIN orders ON orders.number = made.number COLLATE utf8mb4_bin
JOIN seq_1_to_4 AS position ON position.seq <= n % 4 + 1
"""


def remember(engine: Engine, buyers: list[UUID], begin: datetime, there: int, number: int, step: Step) -> None:
    """Go on from so many orders to `number`; the known buyers have the same few of the first of them."""
    names = ", ".join(f"'{buyer.hex}'" for buyer in buyers)
    told = {"known": len(buyers), "own": OWN, "strangers": STRANGERS, "apart": APART_S, "begin": begin}
    for first in range(there, number, CHUNK):
        step(f"make orders, {first:,} of {number:,}")
        part = {"first": first, "last": min(number, first + CHUNK) - 1}
        with engine.begin() as connection:
            connection.execute(text(ORDERS.format(buyers=names, **part)), told)
            connection.execute(text(LINES.format(**part)))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE TABLE orders, order_lines"))


def begun(now: datetime, number: int) -> datetime:
    """When the first of so many orders was placed if the last one was placed a moment ago."""
    return now.replace(microsecond=0, tzinfo=None) - timedelta(seconds=APART_S * number)
