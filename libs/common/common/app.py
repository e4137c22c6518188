"""The front door's room: what every service's web application has, built in one call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from starlette.types import ASGIApp

from common import documents, logs, operations, refusals, tracing
from common.collecting import spare_what_stays
from common.consumer import After, Consumer, Handle
from common.database import new_engine, new_sessions, new_side_engine, ping
from common.dead_letters import DeadLetters
from common.draining import Drain
from common.events.hearers import BRIEF
from common.http import AsyncSister, Sister
from common.metrics import Figures, Read, outbox_figures
from common.operations import Operations
from common.redis import new_redis
from common.relay import Relay
from common.requests import Threshold
from common.revocation import Revocations
from common.running import Background, cancelled, keep_running
from common.service_tokens import Badge, Sisters
from common.settings import Settings
from common.tokens import Keys, Tokens

log = structlog.get_logger(__name__)

CHECK_S = 2.0
MOST_PINGS = 2
AUTH_S = 2.0
"""An answer of auth: its keys, or whether a session lives while Redis cannot tell."""


Front = Callable[[ASGIApp], ASGIApp]


class FrontDoor(FastAPI):
    """A web application whose threshold lies before everything else, the last error handler and body limit included."""

    def __init__(self, service: str, front: Front | None, drain: Drain, **options: Any) -> None:
        super().__init__(**options)
        self._service = service
        self._front = front
        self._drain = drain

    def openapi(self) -> dict[str, Any]:
        """The document that FastAPI writes and keeps, completed when it is first asked for."""
        fresh = self.openapi_schema is None
        document = super().openapi()
        if fresh:
            documents.complete(document, self.routes)
        return document

    def build_middleware_stack(self) -> ASGIApp:
        """Everything, behind the threshold."""
        app = super().build_middleware_stack()
        return Threshold(app if self._front is None else self._front(app), self._service, self._drain)


class Service:
    """A service's parts: database, Redis, token check, background work; `app()` puts the web around them."""

    def __init__(self, name: str, settings: Settings) -> None:
        logs.configure(name, settings.log_level)
        tracing.configure(name)
        self.name = name
        self.settings = settings
        self.engine = new_engine(settings.database_url, pool_size=settings.threads)
        self.sessions = new_sessions(self.engine)
        self.redis = new_redis(settings.redis_url)
        self.badge = Badge(name, settings.service_key)
        self.auth = AsyncSister("auth", settings.auth_url, self.badge, timeout_s=AUTH_S)
        self.keys = Keys(self.auth)
        self.sisters = Sisters(name, settings.sister_keys)
        self.tokens = Tokens(self.keys, Revocations(self.redis, self.auth))
        self.metrics = CollectorRegistry()
        self._drain = Drain(settings.drain_s)
        self._says = False
        self._pings = anyio.CapacityLimiter(MOST_PINGS)
        self._background: list[Background] = []
        self._closing: list[Callable[[], object]] = []

    def runs(self, *work: Background) -> None:
        """Keep this going while the application serves."""
        self._background.extend(work)

    def closes(self, *last: Callable[[], object]) -> None:
        """Call these when the application has stopped."""
        self._closing.extend(last)

    def sister(self, name: str, addresses: str, *, timeout_s: float, attempts: int = 1) -> Sister:
        """A client for a sister, who is shown this service's badge; closed when the application has stopped."""
        sister = Sister(name, addresses, self.badge, timeout_s=timeout_s, attempts=attempts)
        self.closes(sister.close)
        return sister

    def says(self) -> None:
        """Carry this service's outbox to the broker."""
        self._says = True
        self.runs(Relay(self.name, self.settings.broker_url, self.engine, self.sessions))
        self.measures(outbox_figures)

    def measures(self, read: Read) -> None:
        """Tell Prometheus of these figures."""
        self.metrics.register(Figures(self.name, self.sessions, read))

    def hears(self, handle: Handle, after: After | None = None) -> None:
        """Consume this service's queue, and its brief one if it has such."""
        self.runs(Consumer(self.name, self.settings.broker_url, self.sessions, handle, after))
        if self.name in BRIEF:
            self.runs(Consumer(self.name, self.settings.broker_url, self.sessions, handle, after, brief=True))

    def operations(self, prefix: str) -> APIRouter:
        """What administrators may ask of this service, under its public prefix.

        To be given before routes with an id in the same place.
        """
        router = APIRouter(prefix=prefix)
        router.include_router(operations.router)
        return router

    def app(
        self, routers: Sequence[APIRouter], state: Mapping[str, Any] | None = None, front: Front | None = None
    ) -> FastAPI:
        """The web application: the given routes, health, metrics, problem+json, and the background in its lifespan.

        `front` is put around all of it and may answer a request itself.
        """
        app = FrontDoor(
            self.name,
            front,
            self._drain,
            title=f"Stoa {self.name}",
            lifespan=self._lifespan,
            redirect_slashes=False,
            docs_url=None,
            redoc_url=None,
            max_body_size=self.settings.max_body_bytes,
            telemetry=tracing.for_framework(),
        )
        refusals.install(app)
        for router in (*routers, self._inside()):
            app.include_router(router)
        beside = new_side_engine(self.engine)
        letters = DeadLetters(self.name, self.settings.broker_url, beside)
        own = {
            "sessions": self.sessions,
            "tokens": self.tokens,
            "sisters": self.sisters,
            "dead_letters": letters,
            "operations": Operations(self.name, letters, new_sessions(beside) if self._says else None),
        }
        for name, part in {**own, **(state or {})}.items():
            setattr(app.state, name, part)
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = self.settings.threads
        await self.keys.warm()
        spare_what_stays()
        tasks = [asyncio.create_task(keep_running(work), name=work.name) for work in self._background]
        try:
            with self._drain.heeded():
                yield
        finally:
            await cancelled(tasks)
            for last in self._closing:
                last()
            await self.auth.close()
            await self.redis.aclose()
            self.engine.dispose()
            await asyncio.to_thread(tracing.close)

    def _inside(self) -> APIRouter:
        """What only the network inside may ask."""
        inside = APIRouter(include_in_schema=False)

        @inside.get("/healthz")
        async def alive() -> JSONResponse:
            return JSONResponse({"status": "ok"})

        @inside.get("/readyz")
        async def ready() -> JSONResponse:
            checks = await self.checks()
            fit = checks["database"] == "ok" and not self._drain.begun
            return JSONResponse({"status": "ok" if fit else "unavailable", "checks": checks}, 200 if fit else 503)

        @inside.get("/metrics")
        def metrics() -> Response:
            return Response(generate_latest(self.metrics) + generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

        return inside

    async def checks(self) -> dict[str, str]:
        """The state of what this service leans on: without its database it is unfit, without Redis only degraded."""
        database, redis = await asyncio.gather(_state(self._ping()), _state(self.redis.ping()))
        return {"database": database, "redis": redis}

    async def _ping(self) -> None:
        """Ask the database in a thread that may be left behind: a check must end even when the database hangs."""
        await anyio.to_thread.run_sync(ping, self.engine, abandon_on_cancel=True, limiter=self._pings)


async def _state(check: Any) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            await check
    except Exception as error:
        log.warning("check_failed", error=repr(error))
        return "unavailable"
    return "ok"
