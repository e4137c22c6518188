"""The ends of an event's way, each in a process of its own: relay, consumer with an effect, consumer that only acks."""

import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvloop
from sqlalchemy import BigInteger, Column, Table
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common.broker import PREFETCH, connect, queue_name
from common.collecting import spare_what_stays
from common.consumer import Consumer
from common.database import TABLE_OPTIONS, new_engine, new_metadata, new_sessions
from common.events import Event
from common.outbox import add_inbox, add_outbox
from common.relay import Relay

HEARER = "cart"
"""The only service that hears of new products, so that each event has one way to go."""
TIMEOUT_S = 30

metadata = new_metadata()
add_outbox(metadata)
add_inbox(metadata)
effects = Table(
    "effects",
    metadata,
    Column("product_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    **TABLE_OPTIONS,
)

_told = insert(effects)
_add = _told.on_duplicate_key_update(number=effects.c.number + _told.inserted.number)


@contextmanager
def process(work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Run this in another process while the block lasts."""
    running = multiprocessing.get_context("spawn").Process(target=_calm, args=(work, *arguments), daemon=True)
    running.start()
    try:
        yield
    finally:
        running.terminate()
        running.join(TIMEOUT_S)
        running.kill()
        running.join()


def _calm(work: Callable[..., None], *arguments: Any) -> None:
    """A Ctrl-C is for whoever has started this process, and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spare_what_stays()  # as every service does
    work(*arguments)


def relay(database_url: str, broker_url: str) -> None:
    """Carry the outbox to the broker."""
    engine = new_engine(database_url, read_timeout_s=TIMEOUT_S)
    uvloop.run(Relay("bench", broker_url, engine, new_sessions(engine)).run())


def consume(database_url: str, broker_url: str) -> None:
    """Hear each event once and count it where its product is."""
    sessions = new_sessions(new_engine(database_url, read_timeout_s=TIMEOUT_S))
    uvloop.run(Consumer(HEARER, broker_url, sessions, _count).run())


def _count(session: Session, events: Sequence[Event]) -> None:
    heard = Counter(int(event.subject) for event in events)
    rows = [{"product_id": product_id, "number": number} for product_id, number in sorted(heard.items())]
    session.execute(_add, rows)


def ack(broker_url: str, acked: Any) -> None:
    """Take what is there and do nothing but say so; the bound."""
    uvloop.run(_ack(broker_url, acked))


async def _ack(broker_url: str, acked: Any) -> None:
    connection = await connect(broker_url, "bench")
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=PREFETCH)
    queue = await channel.get_queue(queue_name(HEARER))
    async with queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            acked.value += 1
