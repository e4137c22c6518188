"""The receiving room: streams an upload's body to disk, whatever it is wrapped in."""

from contextlib import suppress
from pathlib import Path, PurePath
from shutil import copyfileobj
from typing import Annotated, Any

import structlog
from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.types import Message

from catalog.files import CSV, JSON, NDJSON, XLSX
from catalog.storage import Store
from catalog.upload_schemas import UploadOptions
from catalog.uploading import Upload
from common.errors import Invalid, TooLarge, Unavailable, UnsupportedType
from common.ids import new_id
from common.knocking import Admin, IdempotencyKey, from_state

log = structlog.get_logger(__name__)

UPLOAD_BYTES = 50 * 1024 * 1024
"""Largest body, wrapping included (design: api, section 3)."""
COUNTED_HERE = 2**62
"""The framework's own limit for this route. Its refusal would be plain text, so the bytes are counted here instead."""
DIGITS = 20
"""Of a declared length; more would be too large all the same."""
MULTIPART = "multipart/form-data"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS = {
    "text/csv": CSV,
    "application/csv": CSV,
    "application/x-ndjson": NDJSON,
    "application/json": JSON,
    WORKBOOK: XLSX,
}
FORMATS_BY_ENDING = {".csv": CSV, ".tsv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".json": JSON, ".xlsx": XLSX}

StoreDep = Annotated[Store, from_state("store")]


async def receive(
    request: Request,
    admin: Admin,
    options: Annotated[UploadOptions, Query()],
    key: IdempotencyKey,
    store: StoreDep,
) -> Upload:
    """The body in a file of its own, once all else is right. Raises UnsupportedType, TooLarge, Invalid, Unavailable."""
    media_type = _media_type(request)
    path = store.folder / str(new_id())
    counted = _counted(request)
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        if media_type == MULTIPART:
            file_format = await _unwrap(counted, path)
        else:
            file_format = FORMATS[media_type]
            await _stream(counted, path)
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            log.error("upload_not_written", error=repr(error))
            raise Unavailable("files cannot be stored at the moment; try again") from error
        raise
    return Upload(path, file_format, options, admin, key)


def _media_type(request: Request) -> str:
    """What the body is said to be. Raises UnsupportedType."""
    media_type = _bare(request.headers.get("content-type", ""))
    if media_type != MULTIPART and media_type not in FORMATS:
        raise UnsupportedType(f"send one of {', '.join([*FORMATS, MULTIPART])}")
    if _bare(request.headers.get("content-encoding", "")) not in ("", "identity"):
        raise UnsupportedType("send the file as it is, without a Content-Encoding", code="unsupported_encoding")
    return media_type


def _bare(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _counted(request: Request) -> Request:
    """The same request, whose body raises TooLarge where it grows over the limit."""
    declared = request.headers.get("content-length", "")
    _check_size(int(declared[:DIGITS]) if declared.isdecimal() else 0)
    read = 0

    async def receive_some() -> Message:
        nonlocal read
        message = await request.receive()
        read += len(message.get("body", b""))
        _check_size(read)
        return message

    return Request(request.scope, receive_some)


def _check_size(size: int) -> None:
    if size > UPLOAD_BYTES:
        raise TooLarge(f"an upload may have {UPLOAD_BYTES // 1024**2} MB; split it")


async def _stream(request: Request, path: Path) -> None:
    with path.open("wb") as file:
        async for piece in request.stream():
            file.write(piece)


async def _unwrap(request: Request, path: Path) -> str:
    """Copy the one file of a form; its format."""
    async with request.form(max_files=1, max_fields=10) as form:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if not files:
            raise Invalid("the form has no file in it; call it `file`", code="no_file")
        await run_in_threadpool(_copy, files[0].file, path)
        return _format_of(files[0])


def _format_of(file: UploadFile) -> str:
    """By the ending of the file's name, or else by what its part of the form is said to be."""
    ending = PurePath(file.filename or "").suffix.lower()
    return FORMATS_BY_ENDING.get(ending) or FORMATS.get(_bare(file.content_type or ""), CSV)


def _copy(source: Any, path: Path) -> None:
    with path.open("wb") as file:
        copyfileobj(source, file)
