"""Measures the placing of orders: `make bench-orders`. A stack of its own; nothing of yours is touched.

P2: distinct buyers order one piece of one of a thousand products, against what a client in C does at the database with
one order in each transaction, against the service without its batches, and against a plain one (`measuring.plain`).
P3: all of them order the same product. Afterwards the books must balance. P4: one order after the other, and how long
after its answer the new sold count is on the wire.
"""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Engine, Select, delete, func, insert, literal, select, update

from catalog.models import ACTIVE, HELD, SET, products, reservations, stock_movements
from common.outbox import outbox
from measuring import bound
from measuring.filling import fill
from measuring.house import Bench, bench, console
from measuring.loading import Load, NoLoad, Sent, load
from measuring.people import sign_up
from measuring.pushing import latencies_ms
from notifier.models import Notification, State
from orders.models import OrderLine

PRODUCTS = 1000
STOCK = 9_000_000
HOT = 7
CLIENTS = 32
BUYERS = 64
BOUND_ORDERS = 4000
SETTLED_S = 300
"""An intent that the load has cut off is given up after two minutes."""
PATH = "/api/orders/"
MANY, ONE = "P2: 1,000 products", "P3: one product"
ALONE, PLAIN = "P2, each order a batch of its own", "P2, plain: ORM, one transaction and call each"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def orders(
    rounds: Annotated[int, typer.Option(min=1, help="Each is measured so often, in turn")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="Each time for so long")] = 6,
    pushes: Annotated[int, typer.Option(min=10, max=PRODUCTS, help="Orders whose way to the wire is measured")] = 200,
) -> None:
    """Measure and print."""
    try:
        with bench() as running:
            _prepare(running)
            _measure(running, rounds, seconds)
            _check_books(running)
            _push(running, pushes)
    except NoLoad as failure:
        sys.exit(str(failure))


def _prepare(running: Bench) -> None:
    """Products that cannot sell out, with a ledger that says so."""
    engine = running.engine()
    fill(engine, PRODUCTS)
    with engine.begin() as connection:
        connection.execute(update(products).values(on_hand=STOCK, sold=0, status=ACTIVE))
        connection.execute(delete(stock_movements))
        there = select(products.c.id, products.c.on_hand, literal(SET), func.utc_timestamp())
        connection.execute(insert(stock_movements).from_select(("product_id", "delta", "reason", "at"), there))
    bound.prepare(engine)


def _posts(tokens: list[str], product_ids: list[int]) -> list[Sent]:
    """One order by each buyer after the other, of products in no order."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    bodies = [f'{{"items":[{{"product_id":{chance.choice(product_ids)},"quantity":1}}]}}' for _ in range(5000)]
    return [Sent(PATH, tokens[n % len(tokens)], body) for n, body in enumerate(bodies)]


def _measure(running: Bench, rounds: int, seconds: int) -> None:
    with running.engine().connect() as connection:
        ids = list(connection.scalars(select(products.c.id).order_by(products.c.id)))
    many = f"{ids[0]} + FLOOR(RAND() * {len(ids)})"
    sides = _sides(running, ids)
    ours: dict[str, list[Load]] = {name: [] for name in sides}
    bounds: dict[str, list[float]] = {"C client, 1,000 products": [], "C client, one product": []}
    for number in range(rounds + 1):
        tokens = sign_up(running.url, BUYERS)
        for name, (served, wanted) in sides.items():
            _settle(running)
            with served() as url:
                found = load(url, _posts(tokens, wanted), running.folder, seconds=seconds, connections=CLIENTS)
            if number:  # the first round only warms up
                ours[name].append(found)
        _settle(running)
        for name, product in zip(bounds, (many, str(ids[HOT])), strict=True):
            rate = bound.orders_per_second(
                running.stack.mysql, running.folder, products=product, clients=CLIENTS, orders=BOUND_ORDERS
            )
            if number:
                bounds[name].append(rate)
    _show(ours, bounds)


def _sides(running: Bench, ids: list[int]) -> dict[str, tuple[Callable[[], AbstractContextManager[str]], list[int]]]:
    """What is compared: who takes the orders, and of which products they are."""

    def itself() -> AbstractContextManager[str]:
        return nullcontext(running.url)

    return {
        MANY: (itself, ids),
        ONE: (itself, [ids[HOT]]),
        ALONE: (partial(running.instead, "orders", "orders.main:build", STOA_BATCH="1"), ids),
        PLAIN: (partial(running.instead, "orders", "measuring.plain:build"), ids),
    }


def _show(ours: dict[str, list[Load]], bounds: dict[str, list[float]]) -> None:
    rates = {name: statistics.median(load.rate for load in loads) for name, loads in ours.items()}
    limits = {name: statistics.median(each) for name, each in bounds.items()}
    reach = next(iter(limits.values()))
    table = Table(
        f"{CLIENTS} clients", "orders/s", "of the bound", "p50 ms", "p99 ms", "failed", title="Placing orders"
    )
    for name, loads in ours.items():
        middle, high = (statistics.median(getattr(load, what) for load in loads) for what in ("p50_ms", "p99_ms"))
        failed = sum(load.failed for load in loads)
        table.add_row(
            name, f"{rates[name]:,.0f}", f"{rates[name] / reach:.2f}", f"{middle:.0f}", f"{high:.0f}", str(failed)
        )
    for name, rate in limits.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / reach:.2f}", "", "", "")
    console.print(table)
    console.print(
        f"P3 of P2: {rates[ONE] / rates[MANY]:.2f}; P2 of a plain placement: {rates[MANY] / rates[PLAIN]:.1f}"
    )


def _settle(running: Bench) -> None:
    """Wait until nothing of what was ordered is on its way, mails included: nobody pays for the load of another."""
    waiting = {
        "catalog": select(func.count()).select_from(reservations).where(reservations.c.state == HELD),
        "orders": select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None)),
        "notifier": select(func.count()).where(Notification.state.in_((State.QUEUED, State.SENDING))),
    }
    end = time.monotonic() + SETTLED_S
    for schema, number in waiting.items():
        while _scalar(running.engine(schema), number):
            if time.monotonic() > end:
                sys.exit(f"After {SETTLED_S} s something is still on its way in {schema}.")
            time.sleep(1)


def _scalar(engine: Engine, asked: Select[tuple[int]]) -> int:
    with engine.connect() as connection:
        found = connection.scalar(asked) or 0
    engine.dispose()
    return found


def _check_books(running: Bench) -> None:
    """When nothing is on its way any more, what was ordered is what was sold, piece for piece."""
    _settle(running)
    ordered, sold = _ordered(running.engine("orders")), _sold(running.engine())
    wrong = sum(sold[product_id] != number for product_id, number in ordered.items())
    console.print(f"{sum(ordered.values()):,} pieces ordered; {wrong} products sold another number")
    if wrong:
        sys.exit("The books do not balance.")


def _ordered(engine: Engine) -> dict[int, int]:
    line = OrderLine
    with engine.connect() as connection:
        rows = connection.execute(select(line.product_id, func.sum(line.quantity)).group_by(line.product_id))
        return {product_id: int(number) for product_id, number in rows}


def _sold(engine: Engine) -> dict[int, int]:
    with engine.connect() as connection:
        return dict(map(tuple, connection.execute(select(products.c.id, products.c.sold))))


def _push(running: Bench, number: int) -> None:
    (token,) = sign_up(running.url, 1)
    with running.engine().connect() as connection:
        ids = connection.scalars(select(products.c.id).order_by(products.c.id).limit(number)).all()
    taken = asyncio.run(latencies_ms(running.url, token, ids))
    places = statistics.quantiles(taken, n=100)
    console.print(
        f"P4, from the 201 to the push, {len(taken)} orders: p50 {places[49]:.0f} ms, p99 {places[98]:.0f} ms"
    )


if __name__ == "__main__":
    app()
