"""The portal's papers: the OpenAPI documents of the services, and what they tell each other as an AsyncAPI document."""

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common.asyncapi import describe
from portal.documents import Documents
from portal.giving import Made
from portal.pages import respond

HEADERS = {"Cache-Control": "no-cache"}


def routes(documents: Documents, services: list[str]) -> list[Route]:
    """Where each paper lies."""
    events = Made(orjson.dumps(describe()))

    async def whole(request: Request) -> Response:
        return _paper(request, await documents.all())

    async def one(request: Request) -> Response:
        name = request.path_params["name"]
        return _paper(request, await documents.one(name)) if name in services else respond(request, 404)

    async def told(request: Request) -> Response:
        return events.give(request, HEADERS)

    return [
        Route("/docs/openapi.json", whole),
        Route("/docs/openapi/{name}.json", one),
        Route("/docs/asyncapi.json", told),
    ]


def _paper(request: Request, document: Made | None) -> Response:
    """The document, or that its service does not answer."""
    return respond(request, 503) if document is None else document.give(request, HEADERS)
