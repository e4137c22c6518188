"""Uploading: a file that has come in becomes an import that a worker is told of, and told of again until it is done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import or_, select, update

from catalog.files import JSON, NDJSON, SHEET, XLSX, Inspection, inspect
from catalog.storage import Store
from catalog.unfolding import unfold
from catalog.upload_models import CHECK, PENDING, RUNNING, WRITE, Import
from catalog.upload_schemas import UploadAccepted, UploadOptions
from catalog.workbooks import convert
from common.clock import now
from common.database import Sessions, retried
from common.errors import Unavailable
from common.idempotency import Answer, claim_one, finish, new_claim
from common.tokens import User

log = structlog.get_logger(__name__)

UPLOAD = "POST /api/products/bulk-upload/"
STALE = timedelta(seconds=60)
"""An import that no worker has touched for so long is told of again."""
BATCH = 20
WORKED_OVER = {JSON: (unfold, NDJSON), XLSX: (convert, SHEET)}
"""What is read row by row only after it was worked over, how, and what comes of it."""

Enqueue = Callable[[UUID], bool]
"""Tells a worker of an import; whether the broker has taken the message."""


@dataclass(frozen=True)
class Upload:
    """A request for an import: its body lies on disk."""

    path: Path
    format: str
    options: UploadOptions
    admin: User
    key: str | None


def begin_import(sessions: Sessions, store: Store, upload: Upload, enqueue: Enqueue) -> Answer:
    """Look the file through, store it, enter the import and tell a worker; a repeated key gets the first answer.

    Raises Invalid for a file that cannot be taken as a whole, TooLarge, KeyReused, Unavailable. The file stays only if
    it is needed.
    """
    with _kept_if_needed(store, upload.path) as needed:
        upload = _in_lines(upload)
        found = inspect(upload.path, upload.format)
        store.keep(upload.path, upload.path.name)
        import_id, answer = _enter(sessions, upload, found)
        needed.append(import_id is not None)
    if import_id is not None:
        tell_worker(sessions, enqueue, import_id)
    return answer


@contextmanager
def _kept_if_needed(store: Store, path: Path) -> Iterator[list[bool]]:
    """Remove the file, stored or not yet, unless the block said that it is needed."""
    needed: list[bool] = []
    try:
        yield needed
    finally:
        if not any(needed):
            _remove(store, path)


def _remove(store: Store, path: Path) -> None:
    if path.exists():
        path.unlink()
        return
    with suppress(Unavailable):  # it will be tidied away
        store.drop(path.name)


def _in_lines(upload: Upload) -> Upload:
    """The same, or a JSON body's products or a workbook's rows one per line in its place."""
    if upload.format not in WORKED_OVER:
        return upload
    work, file_format = WORKED_OVER[upload.format]
    draft = upload.path.with_suffix(".lines")
    try:
        work(upload.path, draft)
        draft.replace(upload.path)
    finally:
        draft.unlink(missing_ok=True)
    return replace(upload, format=file_format)


@retried
def _enter(sessions: Sessions, upload: Upload, found: Inspection) -> tuple[UUID | None, Answer]:
    """The new import's id, or None when the key has had its answer."""
    body = upload.options.model_dump() | {"format": upload.format, "sha256": found.digest}
    claim = new_claim(upload.key, str(upload.admin.id), UPLOAD, body)
    with sessions.begin() as session:
        claimed = claim_one(session, claim)
        if isinstance(claimed, Answer):
            return None, claimed
        session.add(_new_import(claimed.resource_id, upload, found))
        answer = accepted(claimed.resource_id)
        finish(session, claimed, answer)
        return claimed.resource_id, answer


def _new_import(import_id: UUID, upload: Upload, found: Inspection) -> Import:
    options = upload.options
    return Import(
        id=import_id,
        started_by=upload.admin.id,
        file=upload.path.name,
        format=upload.format,
        phase=CHECK if options.dry_run or options.on_error == "abort" else WRITE,
        total=found.total,
        columns=found.columns,
        unknown_columns=found.unknown_columns,
        repeats=found.repeats,
        created_at=now(),
        touched_at=now(),
        **options.model_dump(),
    )


def accepted(import_id: UUID) -> Answer:
    """The answer that a worker will see to it."""
    url = f"/api/products/bulk-upload/{import_id}/"
    accepted = UploadAccepted(message="The file is being worked on", task_id=import_id, status_url=url)
    return Answer(202, accepted.model_dump(mode="json"), {"Location": url})


def tell_worker(sessions: Sessions, enqueue: Enqueue, import_id: UUID) -> None:
    """Tell a worker; if that fails the import is entered as one that nobody knows of."""
    if not enqueue(import_id):
        log.warning("import_not_enqueued", import_id=str(import_id))
        _touch(sessions, import_id, told=False)


@retried
def _touch(sessions: Sessions, import_id: UUID, *, told: bool) -> None:
    """Note the time of telling, unless the import has come to its end meanwhile, which has the last word."""
    going_on = update(Import).where(Import.id == import_id, Import.status.in_((PENDING, RUNNING)))
    with sessions.begin() as session:
        session.execute(going_on.values(touched_at=now() if told else None))


def enqueue_waiting(sessions: Sessions, enqueue: Enqueue) -> None:
    """Tell a worker of the imports that none has touched for a while: the message or the worker was lost."""
    for import_id in _waiting(sessions):
        if not enqueue(import_id):
            return
        _touch(sessions, import_id, told=True)


def _waiting(sessions: Sessions) -> Sequence[UUID]:
    with sessions.begin() as session:
        return session.scalars(
            select(Import.id)
            .where(Import.status.in_((PENDING, RUNNING)))
            .where(or_(Import.touched_at.is_(None), Import.touched_at < now() - STALE))
            .order_by(Import.id)
            .limit(BATCH)
        ).all()
