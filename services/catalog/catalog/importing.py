"""Importing: an uploaded file becomes products, a chunk of rows at a time, each chunk with its checkpoint.

The import's row is locked while a chunk is written and says how many rows are done, so that a worker that was killed
goes on at the next chunk, and two workers with the same message cannot both write one.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from catalog.files import Line, lines_of
from catalog.jobs import Progress, Tell, end_job, lock_job
from catalog.merging import merge_rows
from catalog.races import again_if_overtaken
from catalog.rows import Fault, Row, check
from catalog.storage import Store
from catalog.upload_models import FAILED, FINISHED, RUNNING, BadRow, Import, import_errors
from common.clock import now
from common.database import Sessions, retried
from common.errors import Problem, Unavailable

log = structlog.get_logger(__name__)

CHUNK = 1000
MOST_ERRORS = 10_000
"""Bad rows that are kept; the count goes on (design: api, section 3)."""
MOST_ATTEMPTS = 10
"""Starts without a chunk in between, after which an import is given up."""
GAVE_UP = f"given up after {MOST_ATTEMPTS} attempts"
BAD_ROWS = "there are bad rows, so nothing was written"
TURNED_BAD = "a row that was good when it was checked is bad now; rows written before that: {}"


class _TurnedBad(Exception):
    """Takes back a chunk of an import that stops at bad rows."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = faults


def run_import(sessions: Sessions, import_id: UUID, store: Store, currency: str, tell: Tell) -> None:
    """Work through the file from its checkpoint on; leave alone what is over, or what another worker has.

    Its end is told whoever has brought it about: who cancels has no worker's way to say so.
    """
    progress = Progress(tell)
    job = _start(sessions, import_id)
    if job is not None:
        _work_on(sessions, job, store, currency, progress)
    with sessions.begin() as session:
        job = session.get(Import, import_id)
    if job is not None and job.is_over:
        progress.say_end(job)


def _work_on(sessions: Sessions, job: Import, store: Store, currency: str, progress: Progress) -> None:
    try:
        with store.fetch(job.file) as path:
            _run(sessions, job, path, currency, progress)
    except Unavailable:
        log.warning("import_waits_for_its_file", import_id=str(job.id))
        _wait(sessions, job.id)
    except (Problem, OSError) as error:
        log.error("import_unreadable", import_id=str(job.id), error=repr(error))
        _end(sessions, job.id, FAILED, f"the file cannot be read: {error}"[:255])


def _run(sessions: Sessions, begun: Import, path: Path, currency: str, progress: Progress) -> None:
    job: Import | None = begun
    while job is not None and not job.is_over:
        done = _work_through(sessions, job, path, currency, progress)
        job = _end_phase(sessions, done) if done is not None else None


@retried
def _wait(sessions: Sessions, import_id: UUID) -> None:
    """This start does not count: the import is told of again later."""
    with sessions.begin() as session:
        job = lock_job(session, import_id)
        if job is not None and not job.is_over:
            job.attempts = max(0, job.attempts - 1)
            job.touch()


@retried
def _start(sessions: Sessions, import_id: UUID) -> Import | None:
    """The import, counted as begun once more; None if there is none, or nothing more to do."""
    with sessions.begin() as session:
        job = lock_job(session, import_id)
        if job is None or job.is_over:
            return None
        job.attempts += 1
        if job.attempts > MOST_ATTEMPTS:
            end_job(session, job, FAILED, GAVE_UP)
            return None
        job.status = RUNNING
        job.started_at = job.started_at or now()
        job.touch()
        return job


def _work_through(sessions: Sessions, job: Import, path: Path, currency: str, progress: Progress) -> Import | None:
    """The import after all chunks that are left; None when it is over, or another worker has written one."""
    superseded = _superseded(lines_of(path, job.format)) if job.repeats else frozenset()
    for chunk in _chunks(islice(lines_of(path, job.format), job.processed, None)):
        after = apply_chunk(sessions, job.id, job.processed, chunk, currency, superseded)
        if after is None or after.is_over:
            log.info("import_left", import_id=str(job.id))
            return None
        progress.say(after)
        job = after
    return job


def _superseded(lines: Iterable[Line]) -> Collection[int]:
    """Numbers of the good lines after which the file tells of the same product once more, in a good line."""
    last: dict[str, int] = {}
    superseded: set[int] = set()
    for line in lines:
        row = check(line)
        if isinstance(row, Row):
            if row.key in last:
                superseded.add(last[row.key])
            last[row.key] = line.number
    return superseded


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK)):
        yield chunk


@again_if_overtaken
@retried
def apply_chunk(
    sessions: Sessions,
    import_id: UUID,
    begin: int,
    chunk: Sequence[Line],
    currency: str,
    superseded: Collection[int] = frozenset(),
) -> Import | None:
    """Merge one chunk into the catalogue and move the checkpoint; None, and nothing done, if it is elsewhere.

    Good rows whose line is superseded are counted as duplicates and left alone.
    """
    checked = [(line, check(line)) for line in chunk]
    try:
        return _merge(sessions, import_id, begin, checked, currency, superseded)
    except _TurnedBad as bad:
        return _stop_at(sessions, import_id, begin, bad.faults)


def _merge(
    sessions: Sessions,
    import_id: UUID,
    begin: int,
    checked: Sequence[tuple[Line, Row | Fault]],
    currency: str,
    superseded: Collection[int],
) -> Import | None:
    with sessions.begin() as session:
        job = _at(session, import_id, begin)
        if job is None:
            return None
        rows = [(line, row) for line, row in checked if isinstance(row, Row) and line.number not in superseded]
        faults = [row for _, row in checked if isinstance(row, Fault)]
        duplicates = len(checked) - len(rows) - len(faults)
        merged = merge_rows(session, job, rows, currency)
        faults += merged.faults
        if faults and job.writes and job.stops_at_bad_rows:
            raise _TurnedBad(faults)
        _keep(session, job, faults)
        job.count(
            created=merged.created,
            updated=merged.updated,
            unchanged=merged.unchanged,
            failed=len(faults),
            duplicates=duplicates,
            ignored=sum(line.ignored for line, _ in checked),
        )
        return job


def _stop_at(sessions: Sessions, import_id: UUID, begin: int, faults: Sequence[Fault]) -> Import | None:
    """End the import before a chunk in which rows have turned bad; of that chunk only they are counted."""
    with sessions.begin() as session:
        job = _at(session, import_id, begin)
        if job is not None:
            _keep(session, job, faults)
            job.count(failed=len(faults))
            end_job(session, job, FAILED, TURNED_BAD.format(job.created + job.updated))
        return job


def _at(session: Session, import_id: UUID, begin: int) -> Import | None:
    """The locked import if it is being worked on and stands there."""
    job = lock_job(session, import_id)
    return job if job is not None and job.status == RUNNING and job.processed == begin else None


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
def _end_phase(sessions: Sessions, done: Import) -> Import | None:
    """What comes after a file was worked through: its end, or its rows written after they were checked.

    None if it was cancelled since, and perhaps begun again.
    """
    with sessions.begin() as session:
        job = _at(session, done.id, done.processed)
        if job is None or job.phase != done.phase:
            return None
        if not job.writes and job.stops_at_bad_rows and job.failed:
            job.write_nothing()
            end_job(session, job, FAILED, BAD_ROWS)
        elif job.writes or job.dry_run:
            end_job(session, job, FINISHED)
        else:
            job.begin_writing()
        return job


@retried
def _end(sessions: Sessions, import_id: UUID, status: str, reason: str) -> None:
    with sessions.begin() as session:
        job = lock_job(session, import_id)
        if job is not None and not job.is_over:
            end_job(session, job, status, reason)
