"""The replies' room: stored answers and tagged resources as HTTP responses."""

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.idempotency import Answer
from common.preconditions import is_known
from common.refusals import MEDIA_TYPE

REPLAYED = {"Idempotent-Replayed": "true"}


def reply(request: Request, answer: Answer) -> Response:
    """An answer as it was given, or is given again; a refusal carries the id of the present request."""
    headers = answer.headers | (REPLAYED if answer.replayed else {})
    if answer.status < 400:
        return JSONResponse(answer.body, answer.status, headers)
    body = answer.body | {"request_id": str(getattr(request.state, "request_id", ""))}
    return JSONResponse(body, answer.status, headers, MEDIA_TYPE)


def tagged(request: Request, etag: str, view: BaseModel) -> Response:
    """A resource with its entity tag; 304 when the client has this version already."""
    if is_known(etag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(view.model_dump_json(), media_type="application/json", headers={"ETag": etag})
