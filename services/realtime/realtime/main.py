"""Wires realtime's web application: the doors, the consumer, the audience and the hints between processes."""

from functools import partial

from fastapi import FastAPI

from common.app import Service
from common.running import Every
from realtime import api, consumers, queries, ranking, sockets, streaming, usecases
from realtime.audience import Audience
from realtime.entrance import Entrance
from realtime.hints import Hints
from realtime.settings import RealtimeSettings
from realtime.tickets import Tickets

TIDY_S = 60


def build(settings: RealtimeSettings | None = None) -> FastAPI:
    """The web application of one process."""
    settings = settings or RealtimeSettings()
    service = Service("realtime", settings)
    audience = Audience(queries.Log(service.sessions))
    hints = Hints(service.redis, audience)
    tickets = Tickets(service.redis)
    limits = (settings.sockets_per_address, settings.sockets_per_user)
    entrance = Entrance(service.tokens, tickets, settings.cors_origins, *limits)
    service.hears(consumers.hear, after=hints.give)
    service.runs(audience, entrance, hints)
    for name, tidy in (("tidy", usecases.tidy), ("ranking tidy", ranking.forget_old)):
        service.runs(Every(f"realtime {name}", TIDY_S, partial(tidy, service.sessions)))
    return service.app(
        routers=[service.operations("/api/realtime"), api.router, streaming.router, sockets.router],
        state={
            "audience": audience,
            "entrance": entrance,
            "tickets": tickets,
            "rankings": ranking.Rankings(service.sessions),
            "send_timeout_s": settings.send_timeout_s,
        },
    )
