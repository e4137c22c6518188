"""Builds the portal; the only place where its parts are wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.requests import Threshold
from portal import accounts, papers, site
from portal.documents import Documents
from portal.health import Health
from portal.pages import nothing, page, refused, unavailable, wrong_method
from portal.settings import Settings

ANY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def build(settings: Settings | None = None) -> Threshold:
    """The portal's application."""
    services = (settings or Settings()).services()
    health, documents = Health(services), Documents(services)

    async def overall(_: Request) -> Response:
        states = await health.states()
        fit = all(state == "up" for state in states.values())
        headers = {"Cache-Control": "no-store"} if fit else {"Cache-Control": "no-store", "Retry-After": "2"}
        body = {"status": "ok" if fit else "degraded", "services": states}
        return JSONResponse(body, 200 if fit else 503, headers=headers)

    async def alive(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await health.close()
        await documents.close()

    routes = [
        Route("/api/health/", overall),
        Route("/api/health/", wrong_method, methods=ANY),
        *accounts.routes(),
        *papers.routes(documents, list(services)),
        *site.routes(),
        Route("/healthz", alive),
        Route("/readyz", alive),
        Route("/metrics", metrics),
        Route("/problems/{status:int}", page, methods=ANY),
        Route("/unavailable/{path:path}", unavailable, methods=ANY),
        Route("/{path:path}", nothing, methods=ANY),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: refused})
    return Threshold(app, service="portal")
