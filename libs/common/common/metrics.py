"""The metrics' room: what Prometheus may ask of a service."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common.database import Sessions
from common.outbox import backlog


class OutboxState(Collector):
    """How much waits in the outbox, read when asked."""

    def __init__(self, service: str, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions

    def describe(self) -> Iterator[Metric]:
        """Nothing before the first scrape: describing must not touch the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Rows unsent, seconds the oldest of them has waited, rows parked for an operator."""
        try:
            with self._sessions.begin() as session:
                waits = backlog(session)
        except (DBAPIError, PoolTimeout):
            return  # what else there is to tell is told while the database is away
        yield self._gauge("stoa_outbox_unsent", "Events committed and not yet confirmed by the broker", waits.waiting)
        yield self._gauge("stoa_outbox_oldest_seconds", "Age of the oldest unsent event", waits.age_s or 0.0)
        yield self._gauge("stoa_outbox_parked", "Events set aside after repeated failures", waits.parked)

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        gauge = GaugeMetricFamily(name, text, labels=["service"])
        gauge.add_metric([self._service], value)
        return gauge
