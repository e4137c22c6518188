"""The deliveries' room: what was said is said again, several times and in no order, as brokers and relays may do."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, MetaData, Text, select, type_coerce, update

from common.broker import EXCHANGE, connect, disconnect, publish
from common.events.base import CONTENT_TYPE
from common.events.hearers import is_heard
from common.outbox import outbox
from wrecking.books import SPEAKERS

MOST_TIMES = 3
AT_ONCE = 50


@dataclass(frozen=True)
class Message:
    """An event as it is published."""

    id: str
    type: str
    body: str


def last_said(engine: Engine, number: int) -> list[Message]:
    """The newest events of each service that were sent already."""
    found: list[Message] = []
    with engine.connect() as connection:
        for speaker in SPEAKERS:
            table = outbox.to_metadata(MetaData(), schema=speaker)
            body = type_coerce(table.c.envelope, Text).label("body")
            newest = select(table.c.event_id, table.c.type, body).where(table.c.published_at.is_not(None))
            rows = connection.execute(newest.order_by(table.c.seq.desc()).limit(number))
            found += [Message(str(row.event_id), row.type, row.body) for row in rows if is_heard(row.type)]
    return found


def repeated(messages: Sequence[Message], chance: random.Random) -> list[Message]:
    """Each of them one to three times, shuffled."""
    several = [message for message in messages for _ in range(chance.randint(1, MOST_TIMES))]
    chance.shuffle(several)
    return several


def deliver(broker_url: str, messages: Sequence[Message]) -> None:
    """Publish them in this order, many at a time."""
    asyncio.run(_deliver(broker_url, messages))


async def _deliver(broker_url: str, messages: Sequence[Message]) -> None:
    connection = await connect(broker_url, "deliveries")
    try:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        for begin in range(0, len(messages), AT_ONCE):
            some = messages[begin : begin + AT_ONCE]
            sent = (
                publish(channel, EXCHANGE, each.type, each.body.encode(), message_id=each.id, content_type=CONTENT_TYPE)
                for each in some
            )
            await asyncio.gather(*sent)
    finally:
        await disconnect(connection)


def unsend(engine: Engine, number: int) -> int:
    """Put the newest events of each service back into the outbox, as if none had been confirmed; how many."""
    changed = 0
    with engine.begin() as connection:
        for speaker in SPEAKERS:
            table = outbox.to_metadata(MetaData(), schema=speaker)
            newest = select(table.c.seq).order_by(table.c.seq.desc()).limit(number)
            seqs = list(connection.scalars(newest))
            changed += connection.execute(update(table).where(table.c.seq.in_(seqs)).values(published_at=None)).rowcount
    return changed
