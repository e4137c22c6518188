"""The spans' room: OpenTelemetry's own tracer and exporter, loaded only where a collector is named.

A collector that is slow or dead costs no request anything: spans wait in a bounded queue, are sent by a thread of their
own, and are dropped when nobody takes them.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import bound_contextvars

from common.tracing import Kind, Named, at_hand

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

EXPORT_S = 2.0
"""Longest wait for the collector, repeats included."""
DELAY_MS = 1000
"""How long spans gather; the standard's 5 s are long for somebody who waits for one trace."""
COMPLAIN_S = 60.0
EXPORTERS_LOGS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
PROBES = frozenset(("/healthz", "/readyz", "/metrics"))
"""Asked every few seconds; a trace of each would tell nothing."""

_wire = TraceContextTextMapPropagator()


class Rarely(logging.Filter):
    """Lets one record through a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is said."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + COMPLAIN_S
        return True


class NoQueries(SpanProcessor):
    """Takes the query out of what is told: tickets and codes travel there, as the gateway's log knows too."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Overwrite it, as an attribute cannot be removed."""
        if span.attributes and "url.query" in span.attributes:
            span.set_attribute("url.query", "REDACTED")


def exporter() -> SpanProcessor:
    """Sends to the collector that the environment names; the standard's variables hold, but for shorter waits."""
    rarely = Rarely()
    for name in EXPORTERS_LOGS:
        logging.getLogger(name).addFilter(rarely)
    return BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_S), schedule_delay_millis=DELAY_MS)


class Spans:
    """The spans of one process."""

    def __init__(self, process: str, to: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": process}))
        self._provider.add_span_processor(NoQueries())
        self._provider.add_span_processor(to)
        self._tracer = self._provider.get_tracer("stoa")

    def for_framework(self) -> "TelemetryConfig":
        """A span per request, and nothing else: what Prometheus and the log know is not told twice."""
        return {
            "tracer_provider": self._provider,
            "tracing": True,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope["type"] != "http" or scope["path"] in PROBES,
        }

    def current(self) -> str | None:
        """The traceparent of what OpenTelemetry itself holds for the current span."""
        return _written(trace.get_current_span())

    @contextmanager
    def opened(self, named: Sequence[Named], kind: Kind, about: Mapping[str, Any]) -> Iterator[list[str]]:
        """As `tracing.spans`."""
        kept = at_hand()
        begun = [
            self._tracer.start_span(name, _context(parent or kept), SpanKind[kind.upper()], about)
            for name, parent in named
        ]
        traces = [_written(span) or "" for span in begun]
        try:
            with bound_contextvars(**({"traceparent": traces[0]} if traces else {})):
                yield traces
        except BaseException as error:
            for span in begun:
                span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            for span in begun:
                span.end()

    def close(self) -> None:
        """Send what waits, then no more."""
        self._provider.shutdown()


def _context(traceparent: str | None) -> Context:
    return _wire.extract({} if traceparent is None else {"traceparent": traceparent}, Context())


def _written(span: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _wire.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent")
