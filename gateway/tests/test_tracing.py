"""An order's way as an operator sees it: every process on it tells of its part, each under the one that called it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from common.testing.waiting import eventually
from stoa.tracing import Trace, follow, receiving
from stoa.tracing.spans import Span

from .people import Person, Visitor, ok
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

RUN = ("catalog-worker", "run catalog.import")
PARENTS = {
    "orders POST": "gateway",
    "orders ask catalog": "orders POST",
    "catalog POST": "orders ask catalog",
    "orders publish order.placed": "orders POST",
    "catalog hear order.placed": "orders publish order.placed",
    "cart hear order.placed": "orders publish order.placed",
    "notifier hear order.placed": "orders publish order.placed",
    "realtime hear order.placed": "orders publish order.placed",
    "notifier-worker mail order_confirmation": "notifier hear order.placed",
    "realtime push realtime audience": "realtime hear order.placed",
    "realtime push realtime desk": "realtime hear order.placed",
}


@pytest.fixture(scope="module")
def trace(site: Site) -> Trace:
    """The way of one order of the demo customer."""
    settings = site.settings
    return follow(settings, site.house.ear, settings.customer_username, settings.customer_password)


@contextmanager
def collecting(site: Site, trace: str) -> Iterator[receiving.Collector]:
    """What the stack tells of this trace."""
    with receiving.collecting(trace, site.house.ear.port, site.house.ear.address) as collector:
        yield collector


def _called(span: Span) -> str:
    return f"{span.service} {span.name.split('/')[0]}".strip()


def test_every_part_of_the_way_is_told_under_the_one_that_called_it(trace: Trace) -> None:
    assert trace.missing == []
    known = {span.id: span for span in trace.spans}
    found = {_called(span): _called(known[span.parent]) for span in trace.spans if span.parent in known}
    assert {
        name: found[name].split(" ")[0] if called == "gateway" else found[name] for name, called in PARENTS.items()
    } == PARENTS
    assert [span.name for span in trace.spans if span.id != trace.root.id and span.parent not in known] == []


def test_no_part_begins_before_the_one_that_called_it(trace: Trace) -> None:
    """All clocks are this machine's; some round to a microsecond."""
    known = {span.id: span for span in trace.spans}
    early = [
        span.title for span in trace.spans if span.parent in known and span.begun + 1000 < known[span.parent].begun
    ]
    assert early == []


def test_a_file_is_taken_in_in_the_trace_of_its_upload(site: Site, admin: Person) -> None:
    """Its worker is a process that another has forked, and has to tell of its spans all the same."""
    trace = secrets.token_hex(16)
    file = {"file": ("lamps.csv", f"name,sku,price,stock\nLamp,{trace},5.00,1\n", "text/csv")}
    with collecting(site, trace) as collector:
        headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        ok(admin.ask("POST", "/api/products/bulk-upload/", headers=headers, files=file), 202)

        def callers() -> list[str]:
            spans = {span.id: span for span in collector.spans()}
            runs = [span for span in spans.values() if (span.service, span.name) == RUN]
            return [spans[run.parent].service for run in runs if run.parent in spans]

        assert eventually(callers, PATIENCE_S) == ["catalog"]


def test_what_is_asked_for_in_a_query_is_told_to_nobody(
    site: Site, stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, secret, bodies = secrets.token_hex(16), secrets.token_hex(16), list[bytes]()
    read = receiving.read

    def overhear(body: bytes) -> Iterator[Span]:
        bodies.append(body)
        return read(body)

    monkeypatch.setattr(receiving, "read", overhear)
    with collecting(site, trace) as collector:
        headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        ok(stranger.get("/api/products/", params={"search": secret}, headers=headers))
        eventually(lambda: {span.service for span in collector.spans()} == {"gateway", "catalog"}, PATIENCE_S)
    assert not any(secret.encode() in body for body in bodies)
