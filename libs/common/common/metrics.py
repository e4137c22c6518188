"""The metrics' room: figures that Prometheus asks for and that stand in a service's own tables.

Each name is explained in `docs/metrics.md`; a test holds the two against each other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions
from common.outbox import backlog


class Figure(NamedTuple):
    """One gauge: a value for each value of `label`, or one under an empty key where there is no label."""

    name: str
    text: str
    values: Mapping[str, float]
    label: str = ""


Read = Callable[[Session], Iterable[Figure]]
"""Looks figures up, in short ranges of an index: Prometheus asks several times a minute."""


def figure(name: str, text: str, value: float) -> Figure:
    """A gauge of one value."""
    return Figure(name, text, {"": value})


def age_s(since: datetime | None) -> float:
    """Seconds since a moment that may not have been; never below zero."""
    return 0.0 if since is None else max(0.0, (now() - since).total_seconds())


class Figures(Collector):
    """Figures of one service, read when asked; all of them are missing while the database is away."""

    def __init__(self, service: str, sessions: Sessions, read: Read) -> None:
        self._service = service
        self._sessions = sessions
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Nothing before the first scrape: describing must not touch the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """One family per figure."""
        try:
            with self._sessions.begin() as session:
                found = list(self._read(session))
        except (DBAPIError, PoolTimeout):
            return  # what else there is to tell is told while the database is away
        yield from map(self._gauge, found)

    def _gauge(self, found: Figure) -> Metric:
        gauge = GaugeMetricFamily(found.name, found.text, labels=["service", *filter(None, [found.label])])
        for key, value in found.values.items():
            gauge.add_metric([self._service, *filter(None, [key])], value)
        return gauge


def outbox_figures(session: Session) -> Iterator[Figure]:
    """How much waits in the outbox."""
    waits = backlog(session)
    yield figure("stoa_outbox_unsent", "Events committed and not yet confirmed by the broker", waits.waiting)
    yield figure("stoa_outbox_oldest_seconds", "Age of the oldest unsent event", waits.age_s or 0.0)
    yield figure("stoa_outbox_parked", "Events set aside after repeated failures", waits.parked)
