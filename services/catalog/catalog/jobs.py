"""The jobs' room: an import's row, locked while something happens to it, and what is said of how far it has come."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.upload_models import Import
from common import outbox
from common.events import Event
from common.events.catalog import ImportFinished, ImportProgress

BETWEEN_S = 0.5
"""Between two words about one import."""
REST_S = 10.0
"""Until the next one when a word was not heard: an import does not wait for a broker that is away."""

COUNTS = ("total", "created", "updated", "unchanged", "failed", "duplicates")

Tell = Callable[[Event], bool]
"""Says an event at once; whether the broker has it."""


def lock_job(session: Session, import_id: UUID) -> Import | None:
    """The import, which nobody else changes before this transaction's end."""
    return session.scalar(select(Import).where(Import.id == import_id).with_for_update())


def end_job(session: Session, job: Import, status: str, reason: str | None = None) -> None:
    """Nothing more will happen to a locked import; say so."""
    job.end(status, reason)
    outbox.say(session, ImportFinished(started_by=job.started_by, processed=job.processed, **_standing(job)))


class Progress:
    """Says how far one import has come: at once, then twice a second at most, and its end in any case."""

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._due = clock()

    def say(self, job: Import) -> None:
        """Say where the import stands, if there is something new to be said by now."""
        if self._clock() >= self._due:
            heard = self._tell(_progress(job))
            self._due = self._clock() + (BETWEEN_S if heard else REST_S)

    def say_end(self, job: Import) -> None:
        """Say how the import has ended."""
        self._tell(_progress(job))


def _progress(job: Import) -> ImportProgress:
    return ImportProgress(processed=job.processed, **_standing(job))


def _standing(job: Import) -> dict[str, Any]:
    """What every word about an import says."""
    counts = {name: getattr(job, name) for name in COUNTS}
    return {"task_id": job.id, "status": job.status, "version": job.sequence, **counts}
