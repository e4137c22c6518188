"""The way of events: P7, from the outbox over the broker to an effect that happens exactly once, all at work at once.

The bound is a consumer that takes what waits in the queue and only acks. A database and a broker of its own.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine, func, select

from common.database import new_engine, new_sessions
from common.events.catalog import ProductCreated
from common.outbox import inbox, outbox, say
from measuring.piping import ack, consume, effects, metadata, process, relay
from measuring.results import Bars, Figure, NoLoad, Step, at_least
from stoa.servers import MariaDb, RabbitMq, free_port_block, running

PORTS = 10
PRODUCTS = 1000
CHUNK = 1000
LOOK_S = 0.05
PATIENCE_S = 300
GOAL = 0.5
PASSWORD = "bench"  # noqa: S105 - of servers on loopback that are gone with the bench
BOUND, OURS = "acks alone", "outbox to effect, exactly once"


@dataclass(frozen=True)
class Pace:
    """Events each time, and how often each way is measured."""

    number: int = 20_000
    rounds: int = 3


@dataclass(frozen=True)
class Pipe:
    """A database with an outbox, and a broker."""

    engine: Engine
    database: str
    broker: str


def carrying(_stack: None, step: Step, pace: Pace) -> list[Figure]:
    """P7. Raises NoLoad, also when an effect is missing or was there twice."""
    rates: dict[str, list[float]] = {BOUND: [], OURS: []}
    step("start a database and a broker")
    with _pipe() as pipe:
        for number in range(1, pace.rounds + 1):
            for name, measure in ((OURS, _whole_way), (BOUND, _only_acks)):
                step(f"round {number} of {pace.rounds}: {name}")
                rates[name].append(measure(pipe, pace.number))
    return [figure_of(pace.number, rates)]


def figure_of(number: int, rates: Mapping[str, Sequence[float]]) -> Figure:
    """P7 from the events a second of each round."""
    middles = {name: statistics.median(each) for name, each in rates.items()}
    shares = {name: middle / middles[BOUND] for name, middle in middles.items()}
    return Figure(
        "P7",
        f"{number:,} events from the outbox to their effect",
        ("", "events/s", "of acks alone"),
        tuple((name, f"{middles[name]:,.0f}", f"{share:.2f}") for name, share in shares.items()),
        Bars("events a second, of acks alone", tuple(shares), {"share": tuple(shares.values())}, GOAL, f"≥ {GOAL}"),
        (at_least("of acks alone", shares[OURS], GOAL),),
    )


@contextmanager
def _pipe() -> Iterator[Pipe]:
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as name:
        base = free_port_block(PORTS)
        mysql = MariaDb(Path(name) / "mysql", base, PASSWORD)
        rabbit = RabbitMq(Path(name) / "rabbit", base + 1, PASSWORD)
        with running(mysql), running(rabbit):
            database = f"{mysql.root_url().partition('?')[0].rstrip('/')}/orders?charset=utf8mb4"
            engine = new_engine(database, read_timeout_s=PATIENCE_S)
            metadata.create_all(engine)
            yield Pipe(engine, database, rabbit.url())
            engine.dispose()


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


def _whole_way(pipe: Pipe, number: int) -> float:
    _fill(pipe.engine, number)
    with process(relay, pipe.database, pipe.broker), process(consume, pipe.database, pipe.broker):
        rate = _rate(lambda: _sum(pipe.engine), number)
    with pipe.engine.connect() as connection:
        heard = connection.scalar(select(func.count()).select_from(inbox))
    if (heard, _sum(pipe.engine)) != (number, number):
        raise NoLoad(f"{number} events were said, {heard} heard, and {_sum(pipe.engine)} effects seen.")
    return rate


def _only_acks(pipe: Pipe, number: int) -> float:
    _fill(pipe.engine, number)
    with process(relay, pipe.database, pipe.broker):
        _rate(lambda: _sent(pipe.engine), number)
    acked = multiprocessing.get_context("spawn").Value("q", 0, lock=False)
    with process(ack, pipe.broker, acked):
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
            raise NoLoad("Nothing has come.")
        time.sleep(LOOK_S)
    begun = time.monotonic()
    while look() < number:
        if time.monotonic() > ends:
            raise NoLoad(f"{look():,} of {number:,} have come.")
        time.sleep(LOOK_S)
    return (number - first) / (time.monotonic() - begun)
