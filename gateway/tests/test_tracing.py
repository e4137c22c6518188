"""An order's way as an operator sees it: every process on it tells of its part, each under the one that called it."""

import pytest

from stoa.tracing import Trace, follow
from stoa.tracing.spans import Span

from .site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

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
    settings = site.house.settings
    return follow(settings, site.stack.gateway, settings.customer_username, settings.customer_password)


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
