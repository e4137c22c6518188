"""Wires catalog together."""

from functools import partial

from fastapi import FastAPI

from catalog import api, categories, exports, inside, stock, sweeping, tasks, uploading, uploads
from catalog.clients import Orders
from catalog.consumers import hearing
from catalog.counter import Counter
from catalog.figures import figures
from catalog.finished import Answers
from catalog.freshness import Freshness
from catalog.pages import Pages
from catalog.settings import CatalogSettings
from catalog.storage import new_store
from common.app import Service
from common.running import Every

TIDY_S = 60.0


def build(settings: CatalogSettings | None = None) -> FastAPI:
    """The web application of catalog."""
    settings = settings or CatalogSettings()
    service = Service("catalog", settings)
    store = new_store(settings)
    sister = service.sister("orders", settings.orders_url, timeout_s=settings.orders_timeout_s)
    sweep = partial(sweeping.sweep_holds, service.sessions, Orders(sister), settings.currency)
    requeue = partial(uploading.enqueue_waiting, service.sessions, tasks.enqueue)
    tidy = partial(sweeping.tidy, service.sessions, store)
    freshness = Freshness(service.sessions)
    answers = Answers(freshness)
    pages = Pages(service.sessions, answers, settings.currency, f"{settings.public_url}/api/products/")
    service.closes(answers.close, freshness.close)
    service.says()
    service.measures(figures)
    service.hears(hearing(settings.currency))
    service.runs(
        Every("catalog holds", settings.sweep_s, sweep),
        Every("catalog imports", settings.requeue_s, requeue),
        Every("catalog tidy", TIDY_S, tidy),
    )
    return service.app(
        routers=[
            service.operations("/api/products"),
            uploads.router,
            categories.router,
            exports.router,
            api.router,
            stock.router,
            inside.router,
        ],
        state={
            "currency": settings.currency,
            "pages": pages,
            "list_url": f"{settings.public_url}/api/products/",
            "store": store,
            "enqueue": tasks.enqueue,
        },
        front=lambda app: Counter(app, answers, pages),
    )
