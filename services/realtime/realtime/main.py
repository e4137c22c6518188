"""Wires realtime's web application: the doors, the consumer, the audience and the hints between processes."""

from functools import partial

from fastapi import FastAPI

from common.app import Service
from common.running import Every
from realtime import api, consumers, queries, sockets, usecases
from realtime.audience import Audience
from realtime.hints import Hints
from realtime.settings import RealtimeSettings

TIDY_S = 60


def build(settings: RealtimeSettings | None = None) -> FastAPI:
    """The web application of one process."""
    settings = settings or RealtimeSettings()
    service = Service("realtime", settings)
    audience = Audience(queries.Log(service.sessions))
    hints = Hints(service.redis, audience)
    service.hears(consumers.hear, after=hints.give)
    service.runs(audience, hints, Every("realtime tidy", TIDY_S, partial(usecases.tidy, service.sessions)))
    return service.app(
        routers=[api.router, sockets.router],
        state={"audience": audience, "send_timeout_s": settings.send_timeout_s},
    )
