"""Places one order under a trace of our own, and waits until its whole way has been told."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from stoa.encryption import trusted
from stoa.hearing import Ear
from stoa.importing.admin import Admin
from stoa.preflight import NotNow
from stoa.settings import Settings
from stoa.tracing.receiving import collecting
from stoa.tracing.spans import Span

ANSWER_S = 30.0
PATIENCE_S = 30.0
"""For a way that takes a second, and for what tells of it once a second."""
LOOK_S = 0.1

Leg = tuple[str, str]
"""A process, and how the name of its span begins."""

WAY: tuple[Leg, ...] = (
    ("gateway", ""),
    ("orders", "POST"),
    ("orders", "ask catalog"),
    ("catalog", "POST"),
    ("orders", "publish order.placed"),
    ("catalog", "hear order.placed"),
    ("cart", "hear order.placed"),
    ("notifier", "hear order.placed"),
    ("realtime", "hear order.placed"),
    ("notifier-worker", "mail order_confirmation"),
    ("realtime", "push realtime audience"),
    ("realtime", "push realtime desk"),
)
"""What one order comes past."""


@dataclass(frozen=True)
class Trace:
    """One order's way: the caller's own span, all spans with that one, and the legs of which nothing was told."""

    order: str
    root: Span
    spans: Sequence[Span]
    missing: Sequence[Leg]


def follow(settings: Settings, ear: Ear, username: str, password: str) -> Trace:
    """Order one piece of something that is there, and collect what is told of it. Raises NotNow."""
    trace, root = secrets.token_hex(16), secrets.token_hex(8)
    with collecting(trace, ear.port, ear.address) as collector:
        order, begun, ended = _order(settings, username, password, f"00-{trace}-{root}-01")
        until = time.monotonic() + PATIENCE_S
        while (missing := _missing(collector.spans())) and time.monotonic() < until:
            time.sleep(LOOK_S)
        own = Span(trace, root, "", "buyer", "POST", begun, ended, "/api/orders/")
        return Trace(order, own, [own, *collector.spans()], missing)


def _order(settings: Settings, username: str, password: str, traceparent: str) -> tuple[str, int, int]:
    """The order's number, and from when to when it took to be placed, in nanoseconds since 1970."""
    with httpx.Client(base_url=settings.url, timeout=ANSWER_S, verify=trusted(settings), trust_env=False) as http:
        buyer = Admin(http, username, password)
        found = buyer.ask("GET", "/api/products/", params={"in_stock": "true", "page_size": 1})["results"]
        if not found:
            raise NotNow("There is nothing in stock that could be ordered.")
        wish = {"items": [{"product_id": found[0]["id"], "quantity": 1}]}
        headers = {"traceparent": traceparent, "Idempotency-Key": secrets.token_hex(16)}
        begun = time.time_ns()
        placed = buyer.ask("POST", "/api/orders/", json=wish, headers=headers)
        return placed["number"], begun, time.time_ns()


def _missing(spans: Sequence[Span]) -> list[Leg]:
    return [leg for leg in WAY if not any(span.service == leg[0] and span.name.startswith(leg[1]) for span in spans)]
