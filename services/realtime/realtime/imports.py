"""The imports' room: how far bulk uploads have come, and who is told of it.

Whoever listens has its upload read twice a second, which is as often as it may be told (design: public surface, section
7): so it makes no difference which process has heard of it. Those who are read for at the same time share a question.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, cast
from uuid import UUID

import orjson
from sqlalchemy import Table, func, select
from sqlalchemy.dialects.mysql import insert as upsert
from sqlalchemy.orm import Session

from common.clock import now
from common.coalescer import Coalescer, in_threads
from common.database import Sessions, is_gone
from common.errors import Unavailable
from common.events.catalog import AboutImport
from common.tidying import drop_all
from realtime.listener import Dismissed, Listener
from realtime.models import Import

IMPORTS = cast(Table, Import.__table__)

COUNTERS = ("total", "processed", "created", "updated", "unchanged", "failed", "duplicates")
OVER = ("finished", "failed", "cancelled")
"""The words of catalog for an upload to which nothing more will happen, unless it is tried again."""
UNKNOWN = "unknown"
BETWEEN_S = 0.5
UNKNOWN_S = 30.0
"""How long something is waited for of which nothing has been heard: a worker may still be busy with another."""
KEPT = timedelta(days=7)
DONE = 1000
"""Close code: it is over (RFC 6455, section 7.4.1)."""
NOT_THERE = 4404
"""Close code: nothing is known of such an upload."""


class Progress(NamedTuple):
    """Where an upload stands."""

    version: int
    status: str
    total: int
    processed: int
    created: int
    updated: int
    unchanged: int
    failed: int
    duplicates: int


def note_imports(session: Session, events: Iterable[AboutImport]) -> None:
    """Note where uploads stand, in the caller's transaction; what is older than what is known changes nothing."""
    rows = sorted(map(_row, events), key=lambda row: cast(UUID, row["task_id"]))
    if not rows:
        return
    new = upsert(IMPORTS)
    newer = new.inserted.version >= IMPORTS.c.version
    names = [*COUNTERS, "status", "heard_at", "version"]  # the last one is compared with until it is set
    told = [(name, func.if_(newer, new.inserted[name], IMPORTS.c[name])) for name in names]
    session.execute(new.on_duplicate_key_update(told), rows)


def _row(event: AboutImport) -> dict[str, Any]:
    counts = {name: getattr(event, name) for name in COUNTERS if name != "processed"}
    same = {"task_id": event.task_id, "version": event.version, "status": event.status, "heard_at": now()}
    return {**same, **counts, "processed": _processed(event)}


def _processed(event: AboutImport) -> int:
    """As the event says; an end said by an older catalog does not, and then it is the rows that came to something."""
    processed = getattr(event, "processed", None)
    if processed is not None:
        return int(processed)
    return event.created + event.updated + event.unchanged + event.failed + event.duplicates


def read_progress(sessions: Sessions, tasks: Sequence[UUID]) -> list[Progress | None]:
    """Where these uploads stand; None for one of which nothing was heard."""
    columns = [IMPORTS.c[name] for name in Progress._fields]
    with sessions.begin() as session:
        rows = session.execute(select(IMPORTS.c.task_id, *columns).where(IMPORTS.c.task_id.in_(tasks)))
        found = {task: Progress(*told) for task, *told in rows}
    return [found.get(task) for task in tasks]


class Reports:
    """Tells listeners how their upload comes along."""

    def __init__(self, sessions: Sessions) -> None:
        work = in_threads(partial(read_progress, sessions))
        self._looks: Coalescer[UUID, Progress | None] = Coalescer(work)

    async def follow(self, task: UUID, listener: Listener) -> None:
        """Say where the upload stands, now and whenever that has changed. Raises Dismissed at its end, or Gone."""
        clock = asyncio.get_running_loop().time
        begun, said = clock(), b""
        while True:
            progress, known = await self._look(task)
            word = _word(task, progress)
            if known and word != said:
                said = word
                await listener.say(partial(bytes, word))
            if progress is not None and progress.status in OVER:
                raise Dismissed(DONE)
            if known and progress is None and clock() - begun > UNKNOWN_S:
                raise Dismissed(NOT_THERE)
            await asyncio.sleep(BETWEEN_S)

    async def _look(self, task: UUID) -> tuple[Progress | None, bool]:
        """Where it stands, and whether that could be read."""
        try:
            return await self._looks.submit(task), True
        except Unavailable:
            return None, False
        except Exception as error:
            if not is_gone(error):
                raise
            return None, False


def _word(task: UUID, progress: Progress | None) -> bytes:
    body: dict[str, Any] = {"type": "import_progress", "task_id": str(task), "status": UNKNOWN}
    if progress is not None:
        body |= progress._asdict()
        del body["version"]
    return orjson.dumps(body)


def forget_imports(sessions: Sessions) -> None:
    """Drop what was heard of long ago."""
    drop_all(sessions, IMPORTS, IMPORTS.c.heard_at < now() - KEPT)
