"""Wires cart together."""

from functools import partial

from fastapi import FastAPI

from cart import api, usecases
from cart.caching import Private
from cart.clients import PAGE_TIMEOUT_S, Catalog
from cart.comparing import compare_next
from cart.consumers import hear
from cart.copying import Learner
from cart.settings import CartSettings
from common.app import Service
from common.running import Every

TIDY_S = 60.0
PAGES_S = 1.0
"""Between two pages of 500 products that are compared: a catalogue of 10,000 takes 20 s, and catalog hardly notices."""


def build(settings: CartSettings | None = None) -> FastAPI:
    """The web application of cart."""
    settings = settings or CartSettings()
    service = Service("cart", settings)
    catalog = service.sister("catalog", settings.catalog_url, timeout_s=settings.catalog_timeout_s)
    pages = service.sister("catalog", settings.catalog_url, timeout_s=PAGE_TIMEOUT_S)
    service.hears(hear)
    service.runs(
        Every("cart tidy", TIDY_S, partial(usecases.tidy, service.sessions)),
        Every("cart copies", PAGES_S, partial(compare_next, service.sessions, Catalog(pages))),
    )
    return service.app(
        routers=[service.operations("/api/cart"), api.router, api.internal],
        state={
            "learn": Learner(service.sessions, Catalog(catalog)).learn,
            "currency": settings.currency,
        },
        front=Private,
    )
