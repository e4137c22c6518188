"""The API page's room: completes what FastAPI writes about a route by what every route of ours may answer.

Who may knock is read from the arguments' types, as `common.knocking` names them; a route's own `responses` come first.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import BaseRoute

from common.knocking import administrator, anyone, idempotency_key, signed_in
from common.refusals import MEDIA_TYPE

Json = dict[str, Any]

REFUSALS = {
    "400": "What was sent is not valid; `errors` says why, field by field",
    "401": "Sign in first, or again: no token was sent, or one that is not good",
    "403": "For administrators who signed in with their password",
    "404": "There is nothing with this id, or nothing of yours; or no such page",
    "409": "`idempotency_in_progress`: a request with this Idempotency-Key is still being worked on",
    "412": "What is to be changed has changed since the version in If-Match",
    "413": "The body is larger than this path takes",
    "422": "`idempotency_key_reused`: this Idempotency-Key was sent with another body before",
    "503": "Something that this needs does not answer; the same request may be sent again",
}
TEXT: Json = {"schema": {"type": "string"}}
REQUEST_ID: Json = {"X-Request-ID": TEXT | {"required": True, "description": "The request's id, as the logs know it"}}
SECONDS: Json = {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "required": True}}
HEADERS: dict[str, Json] = {
    "401": {"WWW-Authenticate": {"schema": {"const": "Bearer"}, "required": True}},
    "429": SECONDS,
    "503": SECONDS,
}
FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
"""Its words for a 422 that none of our routes gives: what is not valid is a 400 here."""


class ProblemBody(BaseModel):
    """A refusal (RFC 9457): a sentence for people, a `code` for programs."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(pattern="^urn:stoa:problem:")
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: dict[str, list[str]] = Field(default={}, description="Complaints by field")


def complete(document: Json, routes: Sequence[BaseRoute]) -> None:
    """Write into the document what every route has in common with all others of its kind."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in FASTAPIS_OWN:
        schemas.pop(name, None)
    schemas["Problem"] = ProblemBody.model_json_schema()
    for route in iter_route_contexts(routes):
        for method in sorted(route.methods or ()):
            operation = document.get("paths", {}).get(route.path_format, {}).get(method.lower())
            if operation is not None:
                _complete(operation, set(_calls(route.dependant)))


def _calls(dependant: Dependant) -> Iterator[Any]:
    """What is asked before the route, and before that."""
    for before in dependant.dependencies:
        yield before.call
        yield from _calls(before)


def _complete(operation: Json, calls: set[Any]) -> None:
    if anyone in calls:
        operation["security"] = [{"bearer": []}] if signed_in in calls else [{}, {"bearer": []}]
    responses = operation["responses"]
    responses.pop("422", None) if "$ref" in str(responses.get("422")) else None
    for status in _possible(operation, calls):
        responses.setdefault(status, {"description": REFUSALS[status]})
    for status, response in responses.items():
        response["headers"] = REQUEST_ID | HEADERS.get(status, {}) | response.get("headers", {})
        if status >= "400":
            response.setdefault("content", {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}})
    operation["responses"] = dict(sorted(responses.items()))


def _possible(operation: Json, calls: set[Any]) -> Iterator[str]:
    """The refusals that an operation's arguments make possible."""
    places = {(place["in"], place["name"].lower()) for place in operation.get("parameters", ())}
    yield from ("400", "503")
    if anyone in calls:
        yield "401"
    if administrator in calls:
        yield "403"
    if any(kind == "path" for kind, _ in places) or ("query", "page") in places:
        yield "404"
    if idempotency_key in calls:
        yield from ("409", "422")
    if ("header", "if-match") in places:
        yield "412"
    if "requestBody" in operation:
        yield "413"
