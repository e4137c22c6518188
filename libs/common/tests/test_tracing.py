"""The tracing tests: a request's trace goes on wherever that leads, and costs nothing where nobody asks for it."""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from celery import Celery
from fastapi import APIRouter
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from common import spans, tracing
from common.app import Service
from common.celery import enqueue
from common.coalescer import Coalescer, in_threads
from common.consumer import Consumer, one_by_one
from common.database import Sessions
from common.errors import Problem
from common.events import Event
from common.events.auth import UserRegistered
from common.heard import traces
from common.http import Sister
from common.outbox import say
from common.relay import Relay
from common.running import Background
from common.service_tokens import Badge
from common.settings import Settings
from common.spans import Spans
from common.testing.broker import Broker
from common.testing.sisters import fake_sister
from common.testing.waiting import eventually

Keep = Callable[[Background], Any]
Registered = Callable[..., UserRegistered]

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = f"00-{TRACE}-{CALLER}-01"


class Told:
    """What a collector would have been told."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        self.spans = Spans("toys", SimpleSpanProcessor(self._kept))

    def all(self, name: str = "") -> Sequence[ReadableSpan]:
        """The spans whose names begin so, in the order of their ends."""
        return [span for span in self._kept.get_finished_spans() if span.name.startswith(name)]

    def one(self, name: str) -> ReadableSpan:
        """The only one of them."""
        (found,) = self.all(name)
        return found


@pytest.fixture
def told() -> Iterator[Told]:
    """Lets spans be told."""
    told = Told()
    tracing.use(told.spans)
    yield told
    tracing.use(None)


def number(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def parent(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def test_a_trace_goes_on_through_the_outbox_and_the_broker_to_the_hearer(
    told: Told, engine: Engine, sessions: Sessions, broker: Broker, keep: Keep, registered: Registered
) -> None:
    at_hand: list[str | None] = []

    def note(_: Session, __: Event) -> None:
        at_hand.append(tracing.at_hand())

    keep(Relay("toys", broker.url, engine, sessions))
    keep(Consumer("toys", broker.url, sessions, one_by_one({UserRegistered: note})))
    with bound_contextvars(traceparent=SENT), sessions.begin() as session:
        say(session, registered())
    eventually(lambda: told.all("hear"))
    said, heard = told.one("publish user.registered"), told.one("hear user.registered")
    assert [trace_of(said), trace_of(heard)] == [TRACE, TRACE]
    assert [parent(said), parent(heard)] == [CALLER, number(said)]
    assert [str(at).split("-")[1:3] for at in at_hand] == [[TRACE, number(heard)]]


def test_a_message_shows_the_trace_of_who_published_it(
    told: Told, engine: Engine, sessions: Sessions, broker: Broker, keep: Keep, registered: Registered
) -> None:
    tap = broker.tap("user.registered")
    keep(Relay("toys", broker.url, engine, sessions))
    with sessions.begin() as session:
        say(session, registered(), registered(), traces=[SENT, None])
    shown = [str(headers["traceparent"]).split("-")[1:3] for headers, _ in broker.letters(tap, 2)]
    published = {trace_of(span): number(span) for span in told.all("publish")}
    assert len(published) == 2
    assert dict(shown) == published


def test_each_event_is_handled_in_its_own_trace_whatever_comes_beside_it(
    told: Told, engine: Engine, sessions: Sessions, broker: Broker, keep: Keep, registered: Registered
) -> None:
    given: dict[str, str | None] = {}
    events = [registered(name=name) for name in ("ada", "ben", "cleo")]
    sent = {event.username: f"{n:032x}" for n, event in enumerate(events, 1)}

    def handle(session: Session, heard: Sequence[Any]) -> None:
        given.update(zip((event.username for event in heard), traces(session), strict=True))

    with sessions.begin() as session:
        say(session, *events, traces=[f"00-{trace}-{CALLER}-01" for trace in sent.values()])
    keep(Relay("toys", broker.url, engine, sessions))
    keep(Consumer("toys", broker.url, sessions, handle))
    eventually(lambda: len(told.all("hear")) == len(events))
    heard = {trace_of(span): number(span) for span in told.all("hear")}
    assert {name: str(at).split("-")[1:3] for name, at in given.items()} == {
        name: [trace, heard[trace]] for name, trace in sent.items()
    }


@pytest.mark.unit
def test_what_is_done_together_has_a_span_each_and_the_first_is_at_hand(told: Told) -> None:
    with bound_contextvars(traceparent=SENT):
        with tracing.spans([("one", None), ("two", f"00-{7:032x}-{CALLER}-01")], "internal") as traces:
            assert tracing.at_hand() == traces[0]
            assert tracing.headers() == {"traceparent": traces[0]}
        assert tracing.at_hand() == SENT
    one, two = told.one("one"), told.one("two")
    assert [trace.split("-")[1:3] for trace in traces] == [[trace_of(it), number(it)] for it in (one, two)]
    assert [(trace_of(it), parent(it)) for it in (one, two)] == [(TRACE, CALLER), (f"{7:032x}", CALLER)]


def test_a_request_goes_on_in_the_callers_trace_and_so_do_its_calls(told: Told, settings: Settings) -> None:
    with fake_sister() as shelf:
        shelf.answer("GET", "/internal/toys/7/", lambda *_: (200, {}))
        sister = Sister("shelf", shelf.url, Badge("toys"), timeout_s=5)
        router = APIRouter()

        @router.get("/api/toys/{toy}/")
        def look(toy: int) -> str | None:
            sister.get(f"/internal/toys/{toy}/")
            return tracing.at_hand()

        with TestClient(Service("toys", settings).app([router])) as client:
            answer = client.get("/api/toys/7?ticket=secret", headers={"traceparent": SENT})
            client.get("/healthz")
        sister.close()
    served, asked = told.one("GET /api/toys/{toy}/"), told.one("ask shelf")
    assert [parent(served), parent(asked)] == [CALLER, number(served)]
    assert answer.json().split("-")[1:3] == [TRACE, number(served)]
    assert (asked.attributes or {})["url.path"] == "/internal/toys/7/"
    assert "secret" not in str([dict(span.attributes or {}) for span in told.all()])
    assert [span.name for span in told.all() if "healthz" in str(span.attributes)] == []


def test_a_task_is_handed_over_with_the_trace_and_run_in_it(
    told: Told, new_app: Callable[[str], Celery], broker: Broker
) -> None:
    seen: list[str | None] = []

    def play() -> None:
        seen.append(tracing.at_hand())

    task = new_app(broker.url).task(name="toys.play", shared=False)(play)
    with bound_contextvars(traceparent=SENT):
        enqueue(task, [])
    ((headers, _),) = broker.letters("toys.jobs", 1)
    assert headers["traceparent"] == SENT
    task.push_request(traceparent=headers["traceparent"])
    task()
    task.pop_request()
    run = told.one("run toys.play")
    assert (trace_of(run), parent(run)) == (TRACE, CALLER)
    assert [str(at).split("-")[2] for at in seen] == [number(run)]


@pytest.mark.unit
def test_what_gathers_is_worked_on_in_the_trace_of_its_first() -> None:
    seen: list[str | None] = []

    def work(items: Sequence[int]) -> Sequence[int | Problem]:
        seen.append(tracing.at_hand())
        return list(items)

    async def submit(coalescer: Coalescer[int, int], item: int) -> None:
        with bound_contextvars(traceparent=f"trace {item}"):
            await coalescer.submit(item)

    async def story() -> None:
        coalescer: Coalescer[int, int] = Coalescer(in_threads(work))
        await asyncio.gather(*(submit(coalescer, item) for item in (1, 2, 3)))

    asyncio.run(story())
    assert seen == ["trace 1", "trace 2"], "the second batch is of 2 and 3"


@pytest.mark.unit
def test_a_block_that_breaks_is_told_as_an_error(told: Told) -> None:
    with pytest.raises(ZeroDivisionError), tracing.span("divide"):
        raise ZeroDivisionError("the secret is 4711")
    span = told.one("divide")
    assert (span.status.is_ok, span.status.description, list(span.events)) == (False, "ZeroDivisionError", [])


@pytest.mark.unit
def test_without_a_collector_nothing_is_looked_at() -> None:
    with tracing.spans((pytest.fail("nobody asks") for _ in [1]), "consumer") as traces:
        assert traces == []
    assert tracing.headers() == {}
    assert tracing.for_framework() == {"tracing": False, "metrics": False, "logs": False}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("told", "loaded"), [({}, False), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True)], ids=["no", "yes"]
)
def test_the_exporter_is_loaded_only_where_a_collector_is_named(told: dict[str, str], loaded: bool) -> None:
    code = "import sys; from common import app, celery, tracing; tracing.configure('toys'); "
    code += "print(any(name.startswith(('opentelemetry.sdk.trace', 'opentelemetry.exporter')) for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=told, check=True)
    assert (done.stdout.split(), done.stderr) == ([str(loaded)], "")


@pytest.mark.unit
def test_a_dead_collector_is_complained_of_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(spans, "EXPORT_S", 0.1)
    sender = spans.exporter()
    dead = Spans("toys", sender)
    tracing.use(dead)
    try:
        with caplog.at_level(logging.DEBUG):
            for name in ("one", "two", "three"):
                with tracing.span(name):
                    pass
                sender.force_flush()
    finally:
        tracing.close()
        for name in spans.EXPORTERS_LOGS:
            logging.getLogger(name).filters.clear()
    assert len([record for record in caplog.records if record.name in spans.EXPORTERS_LOGS]) == 1
    assert not tracing.is_on()
