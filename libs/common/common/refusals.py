"""The refusals' room: turns whatever a handler raises into problem+json, so that no input makes a 500."""

import json
from collections import defaultdict
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from common.database import LostRace, is_conflict, is_gone
from common.errors import Problem, problem_body

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "unavailable",
}
DATABASE = (DBAPIError, PoolTimeout, LostRace)
MOST_FIELDS = 50
MOST_IN_DETAIL = 5
LONGEST_NAME = 100
"""A body can be wrong in a hundred thousand places; the answer stays short."""
SENTENCES = {
    404: "there is nothing at this path",
    405: "this path does not take that method",
    413: "the body is larger than this path takes",
    400: "the body could not be read",
}


class ProblemResponse(JSONResponse):
    """JSON that can always be encoded, whatever a client's text held (a lone surrogate becomes a question mark)."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def install(app: FastAPI) -> None:
    """Answer every exception with a problem."""
    app.add_exception_handler(RequestValidationError, _validation)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    for kind in (Problem, *DATABASE, Exception):
        app.add_exception_handler(kind, refuse)


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """The answer to whoever asked for what has ended in this exception."""
    if isinstance(error, Problem):
        return respond(error.status, error.body(_id(request)), error.headers)
    if isinstance(error, DATABASE) and (is_gone(error) or is_conflict(error)):
        log.warning("database_failed", error=repr(error))
        body = problem_body(503, "unavailable", "the database does not answer; try again shortly", _id(request))
        return respond(503, body, {"Retry-After": "2"})
    log.error("unforeseen", path=request.url.path, exc_info=error)
    return respond(500, problem_body(500, "internal_error", "something went wrong on our side", _id(request)))


def respond(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem+json response."""
    return ProblemResponse(body, status, headers=headers)


def too_large(request_id: str) -> bytes:
    """The body of a 413 to a request that was refused before it came to a handler."""
    return bytes(respond(413, problem_body(413, CODES[413], SENTENCES[413], request_id)).body)


def _id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
    """400 with the complaints by field; an unknown query parameter has a code of its own."""
    fields: dict[str, list[str]] = defaultdict(list)
    unknown = False
    for complaint in error.errors():
        where, *path = complaint["loc"]
        if where == "path":
            return _no_such_id(request)
        unknown = unknown or (where == "query" and complaint["type"] == "extra_forbidden")
        name = ".".join(str(part) for part in path)[:LONGEST_NAME] or "body"
        if complaint["type"] == "json_invalid":
            name = "body"
        if name in fields or len(fields) < MOST_FIELDS:
            fields[name].append(_sentence(complaint))
    code = "unknown_parameter" if unknown else "invalid"
    detail = "; ".join(f"{name}: {texts[0]}" for name, texts in list(fields.items())[:MOST_IN_DETAIL])
    return respond(400, problem_body(400, code, detail, _id(request), errors=fields))


def _no_such_id(request: Request) -> JSONResponse:
    """404, unless the path is a fixed one that only looks like one with an id to a method that it does not take."""
    if request.method not in _allowed(request):
        return _not_allowed(request)
    return respond(404, problem_body(404, CODES[404], "there is nothing with this id", _id(request)))


def _not_allowed(request: Request) -> JSONResponse:
    body = problem_body(405, CODES[405], SENTENCES[405], _id(request))
    return respond(405, body, {"Allow": ", ".join(_allowed(request))})


def _allowed(request: Request) -> list[str]:
    """All methods of the path (RFC 9110, section 15.5.6); the framework knows those of one route at a time."""
    routes = list(iter_route_contexts(request.app.routes))
    first = next(route.path_format for route in routes if route.path_regex.match(request.scope["path"]))
    return sorted({method for route in routes if route.path_format == first for method in route.methods or ()})


def _sentence(complaint: Any) -> str:
    text: str = complaint["msg"]
    if complaint["type"] == "json_invalid":
        return "the body is not valid JSON"
    return text.removeprefix("Value error, ")


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    status = error.status_code
    if status == 405:
        return _not_allowed(request)
    detail = SENTENCES.get(status, str(error.detail))
    body = problem_body(status, CODES.get(status, "refused"), detail, _id(request))
    return respond(status, body, dict(error.headers or {}))
