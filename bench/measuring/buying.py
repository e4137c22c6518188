"""What orders are placed of, and which: a thousand products that cannot sell out, and orders of one piece of one."""

import random
from collections.abc import Sequence

from sqlalchemy import delete, func, insert, literal, select, update

from catalog.models import ACTIVE, SET, products, stock_movements
from measuring.filling import fill
from measuring.house import Bench
from measuring.loading import Sent

PRODUCTS = 1000
STOCK = 9_000_000
CLIENTS = 32
BUYERS = 64
ORDERS = 5000
PATH = "/api/orders/"


def stock_up(running: Bench) -> None:
    """Products that cannot sell out, with a ledger that says so."""
    engine = running.engine()
    fill(engine, PRODUCTS, lambda _: None)
    with engine.begin() as connection:
        connection.execute(update(products).values(on_hand=STOCK, sold=0, status=ACTIVE))
        connection.execute(delete(stock_movements))
        there = select(products.c.id, products.c.on_hand, literal(SET), func.utc_timestamp())
        connection.execute(insert(stock_movements).from_select(("product_id", "delta", "reason", "at"), there))


def product_ids(running: Bench) -> list[int]:
    """All of them, in order."""
    with running.engine().connect() as connection:
        return list(connection.scalars(select(products.c.id).order_by(products.c.id)))


def one_piece_each(tokens: Sequence[str], ids: Sequence[int]) -> list[Sent]:
    """One order by each buyer after the other, of products in no order."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    bodies = [f'{{"items":[{{"product_id":{chance.choice(ids)},"quantity":1}}]}}' for _ in range(ORDERS)]
    return [Sent(PATH, tokens[n % len(tokens)], body) for n, body in enumerate(bodies)]
