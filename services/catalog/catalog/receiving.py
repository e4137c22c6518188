"""The receiving room: streams an upload's body to disk, whatever it is wrapped in."""

from pathlib import Path
from shutil import copyfileobj
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.types import Message

from catalog.files import CSV, JSON, NDJSON
from catalog.upload_schemas import UploadOptions
from catalog.uploading import Upload
from common.errors import Invalid, TooLarge, UnsupportedType
from common.ids import new_id
from common.knocking import Admin, IdempotencyKey, from_state

UPLOAD_BYTES = 50 * 1024 * 1024
"""Largest body, wrapping included (design: api, section 3)."""
COUNTED_HERE = 2**62
"""The framework's own limit for this route. Its refusal would be plain text, so the bytes are counted here instead."""
MULTIPART = "multipart/form-data"
FORMATS = {"text/csv": CSV, "application/csv": CSV, "application/x-ndjson": NDJSON, "application/json": JSON}
FORMATS_BY_ENDING = {".ndjson": NDJSON, ".jsonl": NDJSON, ".json": JSON}


async def receive(
    request: Request,
    admin: Admin,
    options: Annotated[UploadOptions, Query()],
    key: IdempotencyKey,
    folder: Annotated[Path, from_state("upload_dir")],
) -> Upload:
    """The body in a file of its own, once all else is right. Raises UnsupportedType, TooLarge, Invalid."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MULTIPART and media_type not in FORMATS:
        raise UnsupportedType(f"send one of {', '.join([*FORMATS, MULTIPART])}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / str(new_id())
    counted = _counted(request)
    try:
        if media_type == MULTIPART:
            file_format = await _unwrap(counted, path)
        else:
            file_format = FORMATS[media_type]
            await _stream(counted, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Upload(path, file_format, options, admin, key)


def _counted(request: Request) -> Request:
    """The same request, whose body raises TooLarge where it grows over the limit."""
    declared = request.headers.get("content-length", "")
    _check_size(int(declared) if declared.isdecimal() else 0)
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
    """Copy the one file of a form; its format, by the ending of its name."""
    async with request.form(max_files=1, max_fields=10) as form:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if not files:
            raise Invalid("the form has no file in it; call it `file`", code="no_file")
        await run_in_threadpool(_copy, files[0].file, path)
        return FORMATS_BY_ENDING.get(Path(files[0].filename or "").suffix.lower(), CSV)


def _copy(source: Any, path: Path) -> None:
    with path.open("wb") as file:
        copyfileobj(source, file)
