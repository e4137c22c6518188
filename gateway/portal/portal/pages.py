"""The portal's problem pages: what the gateway itself has to say, as problem+json (RFC 9457)."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.errors import problem_body

PAGES = {
    400: ("invalid", "the request could not be read"),
    404: ("not_found", "there is nothing at this path"),
    405: ("method_not_allowed", "this path does not take that method"),
    413: ("too_large", "the body is larger than this path takes"),
    426: ("tls_required", "this address speaks https only"),
    429: ("too_many_requests", "too many requests from this address; wait and try again"),
    502: ("bad_gateway", "the service behind this path broke off its answer"),
    503: ("unavailable", "the service behind this path does not answer; try again shortly"),
    504: ("gateway_timeout", "the service behind this path took too long to answer"),
}
PATIENCE = {429: 1, 503: 2}
"""Seconds of Retry-After, unless the route says otherwise: the general limit refills within one."""
LONGEST_PATIENCE = 3600


async def page(request: Request) -> Response:
    """The page of the status in the path; an unknown one is a 404."""
    status = int(request.path_params.get("status", 404))
    return respond(request, status if status in PAGES else 404)


async def unavailable(request: Request) -> Response:
    """What the paths of a dead service answer."""
    return respond(request, 503)


async def nothing(request: Request) -> Response:
    """What any other path answers."""
    return respond(request, 404)


async def wrong_method(request: Request) -> Response:
    """What a path that is only read answers to anything else."""
    return respond(request, 405)


async def refused(request: Request, error: Exception) -> Response:
    """What a method that the path does not take answers."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    return respond(request, status if status in PAGES else 404)


def respond(request: Request, status: int) -> Response:
    """The problem of this status, with Retry-After where waiting helps."""
    code, detail = PAGES[status]
    body = problem_body(status, code, detail, request.state.request_id)
    headers = {"Cache-Control": "no-store"}
    if status in PATIENCE:
        headers["Retry-After"] = str(_patience(request, status))
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def _patience(request: Request, status: int) -> int:
    asked = request.query_params.get("retry_after", "")
    given = asked.isascii() and asked.isdigit() and len(asked) < 6 and 1 <= int(asked) <= LONGEST_PATIENCE
    return int(asked) if given else PATIENCE[status]
