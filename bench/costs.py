"""Measures what an order costs: `make bench-costs`. A stack of its own; nothing of yours is touched.

Orders of one piece of one of a thousand products, until all that follows from them is done: processor time of each
process and bytes of each table by the order. With several processes of each service in turn: what that brings on this
machine, in orders and in reads.
"""

import random
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import delete, func, insert, literal, select, update

from catalog.models import ACTIVE, SET, products, stock_movements
from measuring.filling import fill
from measuring.house import Bench, bench
from measuring.loading import Sent, load
from measuring.people import sign_up
from measuring.results import NoLoad
from measuring.spending import cpu_now, table_bytes
from orders.models import Order
from stoa.servers import SCHEMAS
from wrecking.books import under_way

PRODUCTS, STOCK, BUYERS, CLIENTS, READERS = 1000, 9_000_000, 64, 32, 64
SETTLED_S = 240
TABLES = """
SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema IN ({})
"""

console = Console(highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def costs(
    replicas: Annotated[list[int], typer.Option(help="Processes of each service, in turn")] = [1, 2, 3],  # noqa: B006
    seconds: Annotated[int, typer.Option(min=3, help="Load for so long, each time")] = 15,
) -> None:
    """Measure and print."""
    try:
        for number in replicas:
            chosen = " ".join(f"{name}={number}" for name in SCHEMAS) if number > 1 else ""
            with bench(replicas=chosen) as running:
                _measure(running, number, seconds)
    except NoLoad as failure:
        sys.exit(str(failure))


def _measure(running: Bench, number: int, seconds: int) -> None:
    _prepare(running)
    posts = _posts(running)
    load(running.url, posts, running.folder, seconds=3, connections=CLIENTS)  # warms up
    _settle(running)
    tables = _tables(running)
    cpu, sizes, placed = cpu_now(), table_bytes(running.engine(), tables), _placed(running)
    taken = load(running.url, posts, running.folder, seconds=seconds, connections=CLIENTS)
    _settle(running)
    after, larger, orders = cpu_now(), table_bytes(running.engine(), tables), _placed(running) - placed
    reads = load(running.url, ["/api/products/"], running.folder, seconds=seconds, connections=READERS)
    rates = f"{taken.rate:,.0f} orders/s ({taken.failed} failed), {reads.rate:,.0f} lists/s"
    console.print(f"[bold]{number} of each service[/]: {rates}, {orders:,} orders counted")
    groups = {name: running.pid(name) for name in running.house.supervisor.states()}
    spent = {name: 1000 * (after.get(pid, 0) - cpu.get(pid, 0)) / orders for name, pid in groups.items()}
    _show("ms of processor an order", spent, "{:.2f}")
    grown = {name: (larger[name] - sizes[name]) / orders for name in larger if larger[name] > sizes[name]}
    _show("bytes an order", grown, "{:,.0f}")


def _show(title: str, figures: dict[str, float], form: str) -> None:
    table = Table("", title, title_justify="left")
    for name, figure in sorted(figures.items(), key=lambda each: -each[1]):
        table.add_row(name, form.format(figure))
    table.add_row("all", form.format(sum(figures.values())))
    console.print(table)


def _prepare(running: Bench) -> None:
    """Products that cannot sell out, with a ledger that says so."""
    engine = running.engine()
    fill(engine, PRODUCTS, lambda _: None)
    with engine.begin() as connection:
        connection.execute(update(products).values(on_hand=STOCK, sold=0, status=ACTIVE))
        connection.execute(delete(stock_movements))
        there = select(products.c.id, products.c.on_hand, literal(SET), func.utc_timestamp())
        connection.execute(insert(stock_movements).from_select(("product_id", "delta", "reason", "at"), there))


def _posts(running: Bench) -> list[Sent]:
    with running.engine().connect() as connection:
        ids = list(connection.scalars(select(products.c.id)))
    chance, tokens = random.Random(1), sign_up(running.url, BUYERS)  # noqa: S311 - the same each time
    bodies = [f'{{"items":[{{"product_id":{chance.choice(ids)},"quantity":1}}]}}' for _ in range(5000)]
    return [Sent("/api/orders/", tokens[n % BUYERS], body) for n, body in enumerate(bodies)]


def _settle(running: Bench) -> None:
    """Wait until nothing of what was ordered is on its way, mails included."""
    engine, ends = running.engine("orders"), time.monotonic() + SETTLED_S
    while under_way(engine, with_mails=True):
        if time.monotonic() > ends:
            raise NoLoad(f"After {SETTLED_S} s something is still on its way.")
        time.sleep(1)
    engine.dispose()


def _tables(running: Bench) -> list[str]:
    wanted = ", ".join(f"'{schema}'" for schema in SCHEMAS)
    with running.engine().connect() as connection:
        return [str(name) for name in connection.exec_driver_sql(TABLES.format(wanted)).scalars()]


def _placed(running: Bench) -> int:
    with running.engine("orders").connect() as connection:
        return int(connection.scalar(select(func.count()).where(Order.placement == "placed")) or 0)


if __name__ == "__main__":
    app()
