"""The HTTP door of catalog for bulk uploads."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from catalog import accepting, mending, reports, stopping, uploading
from catalog.receiving import COUNTED_HERE, WORKBOOK, StoreDep, receive
from catalog.upload_schemas import BadRowView, ImportView, ScheduledTask, UploadAccepted
from catalog.uploading import Enqueue, Upload
from common.knocking import SessionsDep, administrator, from_state, signed
from common.pagination import ListParams, Page
from common.replies import reply

router = APIRouter(prefix="/api/products", tags=["bulk upload"], dependencies=signed)

EnqueueDep = Annotated[Enqueue, from_state("enqueue")]
ListUrl = Annotated[str, from_state("list_url")]
Uploaded = Annotated[Upload, Depends(receive)]
ADMIN = [Depends(administrator)]

ADMINS_ONLY: dict[int | str, dict[str, Any]] = {
    401: {"description": "Sign in first"},
    403: {"description": "For administrators"},
}
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such upload"}}
OVER: dict[int | str, dict[str, Any]] = {409: {"description": "`already_over`: there is nothing left to cancel"}}
NOT_AGAIN: dict[int | str, dict[str, Any]] = {
    409: {"description": "`not_retryable`: it has neither failed nor been cancelled; `file_gone`: send the file again"}
}
PAGE, FILE = "application/json", "text/csv"
CSV_TEXT = f"{FILE}; charset=utf-8"
FILED: dict[int | str, dict[str, Any]] = {200: {"content": {FILE: {"schema": {"type": "string"}}}}}
EITHER: dict[int | str, dict[str, Any]] = {
    200: FILED[200] | {"description": "A page of the bad rows, or all of them as a file to be mended and sent again"},
    406: {"description": f"The bad rows are given as {PAGE} or {FILE}"},
}
REFUSED: dict[int | str, dict[str, Any]] = {
    413: {"description": "Over 50 MB, over 200,000 rows, or too large when unpacked"},
    415: {"description": "Neither CSV, nor XLSX, nor JSON, nor JSON lines; or packed"},
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"products": {"type": "array", "items": {"type": "object"}}},
                    "required": ["products"],
                }
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
            WORKBOOK: {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


def wanted_report(request: Request) -> str:
    """What the bad rows are asked for as. Raises NotAcceptable."""
    return accepting.choose(",".join(request.headers.getlist("accept")), [PAGE, FILE])


WantedReport = Annotated[str, Depends(wanted_report)]


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


@router.post(
    "/bulk-upload/",
    status_code=202,
    response_model=UploadAccepted,
    responses=ADMINS_ONLY | REFUSED,
    openapi_extra=BODY,
    max_body_size=COUNTED_HERE,
)
def upload(request: Request, file: Uploaded, sessions: SessionsDep, store: StoreDep, enqueue: EnqueueDep) -> Response:
    """Send products in a file: CSV or XLSX with a header, JSON, or JSON lines; a worker takes them in."""
    return reply(request, uploading.begin_import(sessions, store, file, enqueue))


@router.get(
    "/bulk-upload/",
    response_model=Page[ImportView],
    response_model_exclude_unset=True,
    dependencies=ADMIN,
    responses=ADMINS_ONLY,
)
def list_uploads(query: ListParams, sessions: SessionsDep, list_url: ListUrl) -> Page[ImportView]:
    """Uploads, newest first."""
    return reports.list_imports(sessions, query, f"{list_url}bulk-upload/")


@router.get("/bulk-upload/template/", response_class=Response, dependencies=ADMIN, responses=ADMINS_ONLY | FILED)
def read_template() -> Response:
    """A CSV file to begin with: every column, and a draft for an example."""
    return Response(mending.make_template(), media_type=CSV_TEXT, headers=_attached("products-template.csv"))


@router.get("/bulk-upload/{task_id}/", dependencies=ADMIN, responses=ADMINS_ONLY | MISSING)
def read_upload(task_id: UUID, sessions: SessionsDep) -> ImportView:
    """How far an upload has come."""
    return reports.find_import(sessions, task_id)


@router.post(
    "/bulk-upload/{task_id}/cancel/", status_code=202, dependencies=ADMIN, responses=ADMINS_ONLY | MISSING | OVER
)
def cancel_upload(task_id: UUID, sessions: SessionsDep) -> ImportView:
    """Stop an upload; what it has written stays, and every row that it has written is counted."""
    return stopping.cancel_import(sessions, task_id)


@router.post(
    "/bulk-upload/{task_id}/retry/",
    status_code=202,
    response_model=UploadAccepted,
    dependencies=ADMIN,
    responses=ADMINS_ONLY | MISSING | NOT_AGAIN,
)
def retry_upload(
    request: Request, task_id: UUID, sessions: SessionsDep, store: StoreDep, enqueue: EnqueueDep
) -> Response:
    """Go on with an upload that failed or was cancelled; one with `on_error=abort` and bad rows begins anew."""
    return reply(request, stopping.retry_import(sessions, task_id, store, enqueue))


@router.get(
    "/bulk-upload/{task_id}/errors/",
    response_model=Page[BadRowView],
    response_model_exclude_unset=True,
    dependencies=ADMIN,
    responses=ADMINS_ONLY | MISSING | EITHER,
)
def list_errors(
    task_id: UUID, wanted: WantedReport, query: ListParams, sessions: SessionsDep, list_url: ListUrl
) -> Page[BadRowView] | StreamingResponse:
    """The rows that were not taken, and why; as `text/csv` all of them in a file to be mended and sent again."""
    if wanted == FILE:
        pieces = mending.report_bad_rows(sessions, task_id)
        return StreamingResponse(pieces, media_type=CSV_TEXT, headers=_attached(f"bulk-upload-{task_id}-errors.csv"))
    return reports.list_bad_rows(sessions, task_id, query, f"{list_url}bulk-upload/{task_id}/errors/")


@router.get("/scheduled_tasks/", dependencies=ADMIN, responses=ADMINS_ONLY | MISSING)
def read_task(task_id: UUID, sessions: SessionsDep) -> ScheduledTask:
    """An upload's state under its older name."""
    return reports.find_task(sessions, task_id)
