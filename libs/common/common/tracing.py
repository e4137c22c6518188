"""The tracing room: the way of a request as spans, where a collector is named; otherwise nothing is loaded or paid.

What a request takes along is the W3C traceparent that the log context keeps (`common.requests`). A span that is opened
here stands there in its place while it lasts. So a call to a sister, an event that is said and a log line follow the
span without knowing of it, and they follow the request where there are no spans.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

from structlog.contextvars import get_contextvars

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from common.spans import Spans

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""One of these names the collector, which is spoken to by http/protobuf (OpenTelemetry, "OTLP Exporter")."""

Kind = Literal["internal", "client", "producer", "consumer"]
Named = tuple[str, str | None]
"""A span's name, and the traceparent that it goes on from; None for the one at hand."""

_spans: "Spans | None" = None


def configure(process: str) -> None:
    """Let this process tell the collector of its spans under this name, if the environment names a collector."""
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if any(map(os.environ.get, ENDPOINTS)) and not is_disabled and _spans is None:
        from common.spans import Spans, exporter

        use(Spans(process, exporter()))


def use(spans: "Spans | None") -> None:
    """Open spans there from now on; none without."""
    global _spans  # noqa: PLW0603 - one collector per process, as there is one log
    _spans = spans


def is_on() -> bool:
    """Whether spans are told to anybody."""
    return _spans is not None


def close() -> None:
    """Tell of what has not been told yet, for a few seconds at most; no span is opened after that."""
    if _spans is not None:
        _spans.close()
        use(None)


def for_framework() -> "TelemetryConfig":
    """What FastAPI is told: a span per request or nothing. Its hooks cost 88 µs a request (field notes, 0.2)."""
    off: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    return off if _spans is None else _spans.for_framework()


def of_framework() -> str | None:
    """The traceparent of the span that FastAPI has opened for this request."""
    return None if _spans is None else _spans.current()


def at_hand() -> str | None:
    """The traceparent of the span that is open here, or of the request."""
    found: str | None = get_contextvars().get("traceparent")
    return found


def headers() -> dict[str, str]:
    """What goes along with a message while spans are told of."""
    trace = at_hand() if is_on() else None
    return {} if trace is None else {"traceparent": trace}


def span(
    name: str, kind: Kind = "internal", parent: str | None = None, about: Mapping[str, Any] | None = None
) -> AbstractContextManager[list[str]]:
    """One span around the block, below `parent` or what is at hand; `about` are its attributes."""
    return spans([(name, parent)], kind, about)


def spans(
    named: Iterable[Named], kind: Kind, about: Mapping[str, Any] | None = None
) -> AbstractContextManager[list[str]]:
    """A span each around the block, of things that are done together; the first is at hand in it.

    The block is given their traceparents: none where no spans are told of, and `named` is not looked at.
    """
    return nullcontext([]) if _spans is None else _spans.opened(list(named), kind, about or {})
