"""Importing: an uploaded file becomes products, a chunk of rows at a time, each chunk with its checkpoint.

The import's row is locked while a chunk is written and says how many rows are done, so that a worker that was killed
goes on at the next chunk, and two workers with the same message cannot both write one.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from catalog.files import Line, lines_of
from catalog.merging import merge_rows
from catalog.races import again_if_overtaken
from catalog.rows import Fault, Row, check
from catalog.storage import Store
from catalog.upload_models import FAILED, FINISHED, RUNNING, BadRow, Import, import_errors
from common import outbox
from common.clock import now
from common.database import Sessions, retried
from common.errors import Problem, Unavailable
from common.events.catalog import ImportFinished

log = structlog.get_logger(__name__)

CHUNK = 1000
MOST_ERRORS = 10_000
"""Bad rows that are kept; the count goes on (design: api, section 3)."""
MOST_ATTEMPTS = 10
"""Starts without a chunk in between, after which an import is given up."""
GAVE_UP = f"given up after {MOST_ATTEMPTS} attempts"
BAD_ROWS = "there are bad rows, so nothing was written"


def run_import(sessions: Sessions, import_id: UUID, store: Store, currency: str) -> None:
    """Work through the file from its checkpoint on; leave alone what is over, or what another worker has."""
    job = _start(sessions, import_id)
    if job is None:
        return
    try:
        with store.fetch(job.file) as path:
            _run(sessions, job, path, currency)
    except Unavailable:
        log.warning("import_waits_for_its_file", import_id=str(import_id))
        _wait(sessions, import_id)
    except (Problem, OSError) as error:
        log.error("import_unreadable", import_id=str(import_id), error=repr(error))
        _end(sessions, import_id, FAILED, f"the file cannot be read: {error}"[:255])


def _run(sessions: Sessions, begun: Import, path: Path, currency: str) -> None:
    job: Import | None = begun
    while job is not None and not job.is_over:
        done = _work_through(sessions, job, path, currency)
        job = _end_phase(sessions, job.id, job.phase) if done else None


@retried
def _wait(sessions: Sessions, import_id: UUID) -> None:
    """This start does not count: the import is told of again later."""
    with sessions.begin() as session:
        job = _locked(session, import_id)
        if job is not None and not job.is_over:
            job.attempts = max(0, job.attempts - 1)
            job.touched_at = now()


@retried
def _start(sessions: Sessions, import_id: UUID) -> Import | None:
    """The import, counted as begun once more; None if there is none, or nothing more to do."""
    with sessions.begin() as session:
        job = _locked(session, import_id)
        if job is None or job.is_over:
            return None
        job.attempts += 1
        if job.attempts > MOST_ATTEMPTS:
            _finish(session, job, FAILED, GAVE_UP)
            return None
        job.status = RUNNING
        job.started_at = job.started_at or now()
        job.touched_at = now()
        return job


def _work_through(sessions: Sessions, job: Import, path: Path, currency: str) -> bool:
    """All chunks that are left; False when another worker turns out to have written one."""
    begin = job.processed
    rest = islice(lines_of(path, job.format), begin, None)
    for chunk in _chunks(rest):
        if not apply_chunk(sessions, job.id, begin, chunk, currency):
            log.info("import_taken_over", import_id=str(job.id))
            return False
        begin += len(chunk)
    return True


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK)):
        yield chunk


@again_if_overtaken
@retried
def apply_chunk(sessions: Sessions, import_id: UUID, begin: int, chunk: Sequence[Line], currency: str) -> bool:
    """Merge one chunk into the catalogue and move the checkpoint; False, and nothing done, if it is elsewhere."""
    checked = [(line, check(line)) for line in chunk]
    with sessions.begin() as session:
        job = _locked(session, import_id)
        if job is None or job.status != RUNNING or job.processed != begin:
            return False
        rows = [(line, row) for line, row in checked if isinstance(row, Row)]
        merged = merge_rows(session, job, rows, currency)
        faults = [row for _, row in checked if isinstance(row, Fault)] + merged.faults
        _keep(session, job, faults)
        job.count(
            created=merged.created,
            updated=merged.updated,
            unchanged=merged.unchanged,
            failed=len(faults),
            ignored=sum(line.ignored for line in chunk),
        )
        return True


def _keep(session: Session, job: Import, faults: Iterable[Fault]) -> None:
    """Keep the bad rows, as far as there is room."""
    in_order = sorted(faults, key=lambda fault: fault.line.number)
    if in_order:
        kept = session.scalar(select(func.count()).select_from(BadRow).where(BadRow.import_id == job.id)) or 0
        room = in_order[: max(0, MOST_ERRORS - kept)]
        if room:
            session.execute(insert(import_errors), [_error_row(job.id, fault) for fault in room])


def _error_row(import_id: UUID, fault: Fault) -> dict[str, object]:
    sku = fault.line.values.get("sku")
    return {
        "import_id": import_id,
        "line": fault.line.number,
        "sku": sku[:64] if isinstance(sku, str) else None,
        "field": fault.field,
        "code": fault.code,
        "message": fault.message,
        "raw": fault.line.raw,
    }


@retried
def _end_phase(sessions: Sessions, import_id: UUID, phase: str) -> Import | None:
    """What comes after a file was worked through: its end, or its rows written after they were checked."""
    with sessions.begin() as session:
        job = _locked(session, import_id)
        if job is None or job.is_over or job.phase != phase:
            return None
        if not job.writes and job.on_error == "abort" and job.failed:
            job.write_nothing()
            _finish(session, job, FAILED, BAD_ROWS)
        elif job.writes or job.dry_run:
            _finish(session, job, FINISHED)
        else:
            job.begin_writing()
        return job


@retried
def _end(sessions: Sessions, import_id: UUID, status: str, reason: str) -> None:
    with sessions.begin() as session:
        job = _locked(session, import_id)
        if job is not None and not job.is_over:
            _finish(session, job, status, reason)


def _finish(session: Session, job: Import, status: str, reason: str | None = None) -> None:
    job.end(status, reason)
    outbox.say(
        session,
        ImportFinished(
            task_id=job.id,
            started_by=job.started_by,
            status=status,
            total=job.total,
            created=job.created,
            updated=job.updated,
            unchanged=job.unchanged,
            failed=job.failed,
        ),
    )


def _locked(session: Session, import_id: UUID) -> Import | None:
    return session.scalar(select(Import).where(Import.id == import_id).with_for_update())
