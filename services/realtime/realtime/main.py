"""Wires realtime's web application: the doors, the consumer, those who listen and the hints between processes."""

from functools import partial

from fastapi import FastAPI

from common.app import Service
from common.running import Every
from realtime import api, consumers, own_sockets, queries, sockets, streaming, usecases
from realtime.audience import Audience
from realtime.desk import Desk
from realtime.entrance import Entrance
from realtime.hints import Hints
from realtime.imports import Reports, forget_imports
from realtime.noting import forget_orders
from realtime.ranking import Rankings, forget_old
from realtime.rebuilding import forget_rebuilds
from realtime.settings import RealtimeSettings
from realtime.tickets import Tickets

TIDY_S = 60


def build(settings: RealtimeSettings | None = None) -> FastAPI:
    """The web application of one process."""
    settings = settings or RealtimeSettings()
    service = Service("realtime", settings)
    audience = Audience(queries.Log(service.sessions))
    desk = Desk(queries.OrderLog(service.sessions))
    hints = Hints(service.redis, audience, desk)
    tickets = Tickets(service.redis)
    limits = (settings.sockets_per_address, settings.sockets_per_user)
    entrance = Entrance(service.tokens, tickets, settings.cors_origins, *limits)
    service.hears(consumers.hear, after=hints.give)
    service.runs(audience, desk, entrance, hints)
    for tidy in (usecases.tidy, forget_old, forget_orders, forget_imports, forget_rebuilds):
        service.runs(Every(f"realtime {tidy.__name__}", TIDY_S, partial(tidy, service.sessions)))
    return service.app(
        routers=[service.operations("/api/realtime"), api.router, streaming.router, sockets.router, own_sockets.router],
        state={
            "audience": audience,
            "desk": desk,
            "reports": Reports(service.sessions),
            "entrance": entrance,
            "tickets": tickets,
            "rankings": Rankings(service.sessions),
            "send_timeout_s": settings.send_timeout_s,
            "messages_per_s": settings.messages_per_s,
        },
    )
