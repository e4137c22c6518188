"""The heard's room: a message with what was understood of it, what handlers may know of it, and how it is counted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import Counter, Histogram
from sqlalchemy.orm import Session

from common.clock import now
from common.events import Envelope, Event

IN_HAND = "in hand"
"""Key in `session.info`: what was heard of the events that the handler is given."""

HEARD = Counter("stoa_events_heard_total", "Events taken from the queue, by outcome", ["service", "outcome"])
OUTCOMES = ("done", "delayed", "dead", "dropped")
LAG = Histogram(
    "stoa_event_lag_seconds",
    "From the commit that said an event to the commit of its effect",
    ["service"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)


@dataclass(frozen=True)
class Heard:
    """A message with what was understood of it."""

    message: AbstractIncomingMessage
    envelope: Envelope
    event: Event
    trace: str | None = None
    """Where its span goes on, if spans are told of."""

    @property
    def said_in(self) -> str | None:
        """The traceparent of whoever published it, or else of whoever said it."""
        shown = self.message.headers.get("traceparent")
        return shown if isinstance(shown, str) else self.envelope.traceparent


def envelopes(session: Session) -> Sequence[Envelope]:
    """The envelopes of the events that a handler was given with this session, in the same order."""
    return [item.envelope for item in session.info[IN_HAND]]


def traces(session: Session) -> Sequence[str | None]:
    """The same for the traceparents under which they are handled; None where no spans are told of."""
    return [item.trace for item in session.info[IN_HAND]]


def in_spans(heard: Sequence[Heard], spans: Sequence[str]) -> Sequence[Heard]:
    """The same with the traceparents of their spans, if there are any."""
    return [replace(item, trace=trace) for item, trace in zip(heard, spans, strict=True)] if spans else heard


def expose(service: str) -> None:
    """Tell of a service that hears from the beginning: of what was not there before, the first step is no increase."""
    LAG.labels(service)
    for outcome in OUTCOMES:
        HEARD.labels(service, outcome)


def note_lag(service: str, heard: Sequence[Heard]) -> None:
    """Count how long it took from what was said to what has come of it."""
    moment, lag = now(), LAG.labels(service)
    for item in heard:
        lag.observe(max(0.0, (moment - item.envelope.time).total_seconds()))
