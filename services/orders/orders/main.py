"""Wires orders together."""

from functools import partial

from fastapi import FastAPI

from common.app import Service
from common.running import Every
from orders import api
from orders.clients import Cart, Catalog
from orders.counting import Counts
from orders.express import ExpressLane
from orders.figures import figures
from orders.models import Status
from orders.resolving import sweep, tidy
from orders.settings import OrdersSettings
from orders.till import Till

SWEEP_S = 5.0
TIDY_S = 60.0


def build(settings: OrdersSettings | None = None) -> FastAPI:
    """The web application of orders."""
    settings = settings or OrdersSettings()
    service = Service("orders", settings)
    catalog = service.sister("catalog", settings.catalog_url, timeout_s=settings.catalog_timeout_s, attempts=2)
    cart = service.sister("cart", settings.cart_url, timeout_s=settings.cart_timeout_s)
    service.says()
    service.measures(figures)
    service.runs(Every("orders sweep", SWEEP_S, partial(sweep, service.sessions)))
    service.runs(Every("orders tidy", TIDY_S, partial(tidy, service.sessions)))
    till = Till(service.sessions, Catalog(catalog), Cart(cart), settings)
    return service.app(
        routers=[service.operations("/api/orders"), api.router, api.internal],
        state={
            "till": till,
            "customer_cancel_until": Status(settings.customer_cancel_until),
            "counts": Counts(),
            "currency": settings.currency,
            "list_url": f"{settings.public_url}/api/orders/",
        },
        front=lambda app: ExpressLane(app, service.tokens, till, settings.max_body_bytes),
    )
