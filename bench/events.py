"""Measures the way of events: `make bench-events`. A database and a broker of its own; nothing of yours is touched.

P7: from the outbox over the broker to an effect that happens exactly once, all at work at the same time, against a
consumer that takes what waits in the queue and only acks.
"""

import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Engine, func, select

from common.database import new_engine, new_sessions
from common.events.catalog import ProductCreated
from common.outbox import inbox, outbox, say
from measuring.house import console
from measuring.piping import ack, consume, effects, metadata, process, relay
from stoa.servers import MariaDb, RabbitMq, free_port_block, running

PORTS = 10
PRODUCTS = 1000
CHUNK = 1000
LOOK_S = 0.05
PATIENCE_S = 300
PASSWORD = "bench"  # noqa: S105 - of servers on loopback that are gone with the bench

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def events(
    number: Annotated[int, typer.Option(min=1000, help="Events each time")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Each way so often, in turn")] = 3,
) -> None:
    """Measure and print."""
    ours: list[float] = []
    bound: list[float] = []
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as name:
        base = free_port_block(PORTS)
        mysql, rabbit = (
            MariaDb(Path(name) / "mysql", base, PASSWORD),
            RabbitMq(Path(name) / "rabbit", base + 1, PASSWORD),
        )
        with running(mysql), running(rabbit):
            database = f"{mysql.root_url().partition('?')[0].rstrip('/')}/orders?charset=utf8mb4"
            engine = new_engine(database, read_timeout_s=PATIENCE_S)
            metadata.create_all(engine)
            for _ in range(rounds):
                ours.append(_whole_way(engine, database, rabbit.url(), number))
                bound.append(_only_acks(engine, database, rabbit.url(), number))
            engine.dispose()
    table = Table(f"{number:,} events", "events/s", "of acks alone", title="P7: outbox to effect")
    reach = statistics.median(bound)
    for name, rates in {"acks alone": bound, "outbox to effect, exactly once": ours}.items():
        middle = statistics.median(rates)
        table.add_row(name, f"{middle:,.0f}", f"{middle / reach:.2f}")
    console.print(table)


def _fill(engine: Engine, number: int) -> None:
    """As many events in the outbox, and nothing else anywhere."""
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    sessions = new_sessions(engine)
    for begin in range(0, number, CHUNK):
        with sessions.begin() as session:
            say(session, *(_event(n) for n in range(begin, min(number, begin + CHUNK))))


def _event(number: int) -> ProductCreated:
    return ProductCreated(
        product_id=number % PRODUCTS + 1,
        version=number // PRODUCTS + 1,
        sku=f"BENCH-{number}",
        name="A lantern of olive wood",
        price=Decimal("12.50"),
        currency="EUR",
        status="active",
        availability="in_stock",
    )


def _whole_way(engine: Engine, database: str, broker: str, number: int) -> float:
    _fill(engine, number)
    with process(relay, database, broker), process(consume, database, broker):
        rate = _rate(lambda: _sum(engine), number)
    with engine.connect() as connection:
        heard = connection.scalar(select(func.count()).select_from(inbox))
    if (heard, _sum(engine)) != (number, number):
        sys.exit(f"{number} events were said, {heard} heard, and {_sum(engine)} effects seen.")
    return rate


def _only_acks(engine: Engine, database: str, broker: str, number: int) -> float:
    _fill(engine, number)
    with process(relay, database, broker):
        _rate(lambda: _sent(engine), number)
    acked = multiprocessing.get_context("spawn").Value("q", 0, lock=False)
    with process(ack, broker, acked):
        return _rate(lambda: int(acked.value), number)


def _sum(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.coalesce(func.sum(effects.c.number), 0))) or 0)


def _sent(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).where(outbox.c.published_at.is_not(None))) or 0


def _rate(look: Callable[[], int], number: int) -> float:
    """How many a second, from the first that is seen to the last."""
    ends = time.monotonic() + PATIENCE_S
    while not (first := look()):
        if time.monotonic() > ends:
            sys.exit("Nothing has come.")
        time.sleep(LOOK_S)
    begun = time.monotonic()
    while look() < number:
        if time.monotonic() > ends:
            sys.exit(f"{look():,} of {number:,} have come.")
        time.sleep(LOOK_S)
    return (number - first) / (time.monotonic() - begun)


if __name__ == "__main__":
    app()
