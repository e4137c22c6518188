"""The HTTP door of catalog to the whole catalogue as a file."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from catalog import accepting, exporting
from catalog.files import CSV, NDJSON
from catalog.schemas import ExportQuery
from common.clock import now
from common.knocking import SessionsDep, for_admins

router = APIRouter(prefix="/api/products", tags=["products"], dependencies=for_admins)

MEDIA_TYPES = {"text/csv": CSV, "application/x-ndjson": NDJSON}
CHARSETS = {CSV: "text/csv; charset=utf-8", NDJSON: "application/x-ndjson"}
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file; where it ends without the end of the transfer it is not whole",
        "content": {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES},
    },
    406: {"description": f"The file is given as {' or '.join(MEDIA_TYPES)}"},
}


def wanted_format(request: Request, query: Annotated[ExportQuery, Query()]) -> str:
    """The format that was asked for by name, or else by Accept. Raises NotAcceptable."""
    accept = ",".join(request.headers.getlist("accept"))
    return query.format or MEDIA_TYPES[accepting.choose(accept, list(MEDIA_TYPES))]


WantedFormat = Annotated[str, Depends(wanted_format)]


@router.get("/export/", response_class=StreamingResponse, responses=FILE)
def export_products(file_format: WantedFormat, sessions: SessionsDep) -> StreamingResponse:
    """All products, whatever their status, as a CSV or NDJSON file that the bulk upload takes as it is."""
    name = f"products-{now():%Y-%m-%d}.{file_format}"
    return StreamingResponse(
        exporting.export_products(sessions, file_format),
        media_type=CHARSETS[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
