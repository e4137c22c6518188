"""The upkeep room: what every service can tell of itself: its schema, its outbox, its queues, its dead letters."""

import asyncio
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPException, ChannelNotFoundEntity
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from common.broker import brief_queue_name, connect, dead_letter_name, disconnect, queue_name
from common.checking import PAUSE_S, Check, Seen
from common.database import Sessions
from common.errors import Unavailable
from common.events.hearers import BRIEF, HEARERS
from common.outbox import backlog

OLDEST = timedelta(seconds=60)
"""From when on an event waits too long (design: reliability 3.7, backpressure)."""


def upkeep(
    service: str, engine: Engine, sessions: Sessions, broker_url: str, patience_s: float, *, says: bool, works: bool
) -> Iterator[Check]:
    """What there is to look after in a service that `says` events, and has a worker if it `works`."""
    yield Check("schema at its newest revision", service, lambda: see_schema(service, engine))
    if says:
        yield Check("outbox", f"{service} → broker", lambda: see_outbox(sessions))
    queues = _queues(service, works=works)
    if queues:
        yield Check("queues", f"broker → {service}", lambda: see_queues(broker_url, queues, patience_s))
    if service in HEARERS:
        dead = dead_letter_name(service)
        yield Check("dead letters", f"broker → {service}", lambda: see_dead_letters(broker_url, dead))


def see_schema(service: str, engine: Engine) -> Seen:
    """Whether the schema is as this version of the program wants it."""
    package = _folder(service)
    newest = set(ScriptDirectory(str(package / "migrations")).get_heads())
    with engine.connect() as connection:
        present = set(connection.scalars(text("SELECT version_num FROM alembic_version")))
    version = tomllib.loads((package.parent / "pyproject.toml").read_text())["project"]["version"]
    told = f"version {version}, schema at {', '.join(sorted(present)) or 'nothing'}"
    return Seen(told, [] if present == newest else [f"{told}, not at {', '.join(sorted(newest))}"])


def _folder(service: str) -> Path:
    """Where the service's package is; its `pyproject.toml` is beside it, in a container as in the checkout."""
    spec = find_spec(service)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(service)
    return Path(spec.submodule_search_locations[0])


def see_outbox(sessions: Sessions) -> Seen:
    """Whether an event waits for too long, or for an operator."""
    with sessions.begin() as session:
        waits = backlog(session)
    wrong = [f"{waits.parked} events are parked"] if waits.parked else []
    if waits.age_s is not None and waits.age_s > OLDEST.total_seconds():
        wrong.append(f"the oldest of {waits.waiting} events has waited for {waits.age_s:.0f} s")
    return Seen(f"{waits.waiting} events wait", wrong)


def see_queues(broker_url: str, queues: dict[str, bool], patience_s: float) -> Seen:
    """Whether somebody listens to each queue, and gets on with it where that is to be seen (`queues` by name)."""

    async def look(channel: AbstractChannel) -> Seen:
        until = time.monotonic() + patience_s
        faults = [await _fault(channel, name, until, moves=moves) for name, moves in queues.items()]
        return Seen(", ".join(queues), [fault for fault in faults if fault])

    return _asked(broker_url, look)


def see_dead_letters(broker_url: str, queue: str) -> Seen:
    """Whether the service could not handle something."""

    async def look(channel: AbstractChannel) -> Seen:
        count, _ = await _state(channel, queue)
        return Seen("none", [f"{count} dead letters"] if count else [])

    return _asked(broker_url, look)


def _queues(service: str, *, works: bool) -> dict[str, bool]:
    """The names of a service's queues, and whether what waits there has to get less: a job may take its hour."""
    heard = {queue_name(service): True} if service in HEARERS else {}
    brief = {brief_queue_name(service): True} if service in BRIEF else {}
    return heard | brief | ({f"{service}.jobs": False} if works else {})


async def _fault(channel: AbstractChannel, queue: str, until: float, *, moves: bool) -> str | None:
    """What is wrong with a queue for as long as that; a backlog that gets less is none."""
    most = 0
    while True:
        count, listeners = await _state(channel, queue)
        if listeners and (not moves or count == 0 or count < most):
            return None
        most = max(most, count)
        if time.monotonic() >= until:
            return f"{count} messages wait in {queue}" + ("" if listeners else ", to which nobody listens")
        await asyncio.sleep(PAUSE_S)


async def _state(channel: AbstractChannel, queue: str) -> tuple[int, int]:
    """Messages that wait in a queue, and how many listen to it. Raises Unavailable where there is no such queue."""
    try:
        declared = await channel.declare_queue(queue, passive=True)
    except ChannelNotFoundEntity:
        raise Unavailable(f"the broker knows no queue {queue}") from None
    result = declared.declaration_result
    return result.message_count or 0, result.consumer_count or 0


def _asked(broker_url: str, look: Callable[[AbstractChannel], Awaitable[Seen]]) -> Seen:
    """What is seen on a connection of its own. Raises Unavailable."""

    async def ask() -> Seen:
        connection = await connect(broker_url, "operator")
        try:
            return await look(await connection.channel())
        finally:
            await disconnect(connection)

    try:
        return asyncio.run(ask())
    except (AMQPException, OSError, RuntimeError) as error:
        raise Unavailable(f"the broker does not answer ({error.__class__.__name__})") from error
