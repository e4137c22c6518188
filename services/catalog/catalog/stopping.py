"""Stopping: an import is cancelled; one that was, or that has failed, is begun again.

Whoever writes a chunk, cancels or begins again holds the import's row, so that each sees what the other has done.
"""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from catalog.jobs import end_job, lock_job
from catalog.storage import Store
from catalog.upload_models import CANCELLED, BadRow, Import
from catalog.upload_schemas import ImportView
from catalog.uploading import Enqueue, accepted, tell_worker
from common.database import Sessions, retried
from common.errors import Conflict, NotFound
from common.idempotency import Answer


@retried
def cancel_import(sessions: Sessions, import_id: UUID) -> ImportView:
    """The import as it stands for good: what is written stays, the worker stops. Raises NotFound, Conflict."""
    with sessions.begin() as session:
        job = _there(lock_job(session, import_id))
        if job.is_over:
            raise Conflict(f"this upload is over: it is {job.status}", code="already_over")
        end_job(session, job, CANCELLED)
        return ImportView.of(job)


def retry_import(sessions: Sessions, import_id: UUID, store: Store, enqueue: Enqueue) -> Answer:
    """Let a worker go on with an import that failed or was cancelled. Raises NotFound, Conflict."""
    file = _file_of(sessions, import_id)
    if not store.has(file):
        raise Conflict("the file of this upload is gone; send it again", code="file_gone")
    _begin_again(sessions, import_id)
    tell_worker(sessions, enqueue, import_id)
    return accepted(import_id)


def _file_of(sessions: Sessions, import_id: UUID) -> str:
    with sessions.begin() as session:
        return _retryable(session.get(Import, import_id)).file


@retried
def _begin_again(sessions: Sessions, import_id: UUID) -> None:
    with sessions.begin() as session:
        job = _retryable(lock_job(session, import_id))
        if job.begins_anew:
            _forget_bad_rows(session, import_id)
        job.begin_again()


def _forget_bad_rows(session: Session, import_id: UUID) -> None:
    session.execute(delete(BadRow).where(BadRow.import_id == import_id))


def _retryable(found: Import | None) -> Import:
    job = _there(found)
    if not job.can_begin_again:
        sentence = f"only an upload that failed or was cancelled can be tried again; this one is {job.status}"
        raise Conflict(sentence, code="not_retryable")
    return job


def _there(job: Import | None) -> Import:
    if job is None:
        raise NotFound("there is no such upload", code="upload_not_found")
    return job
