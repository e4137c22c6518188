"""Wires notifier together."""

from functools import partial

from fastapi import FastAPI

from common.app import Service
from common.running import Every
from notifier import api, consumers, tasks
from notifier.dispatch import Dispatch
from notifier.queueing import tidy
from notifier.settings import NotifierSettings

TIDY_S = 60.0


def build(settings: NotifierSettings | None = None) -> FastAPI:
    """The web application of notifier."""
    settings = settings or NotifierSettings()
    service = Service("notifier", settings)
    dispatch = Dispatch(service.sessions, tasks.enqueue)
    service.hears(consumers.hearing(dispatch.hurry), after=lambda _: dispatch.wake())
    service.runs(dispatch, Every("notifier tidy", TIDY_S, partial(tidy, service.sessions)))
    return service.app(
        routers=[service.operations("/api/notifications"), api.router],
        state={"list_url": f"{settings.public_url}/api/notifications/"},
    )
