"""The metrics' room: what Prometheus may ask of a service."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common.clock import now
from common.database import Sessions
from common.outbox import outbox


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
            count, oldest, parked = self._look()
        except (DBAPIError, PoolTimeout):
            return  # what else there is to tell is told while the database is away
        age = (now() - oldest).total_seconds() if oldest else 0.0
        yield self._gauge("stoa_outbox_unsent", "Events committed and not yet confirmed by the broker", count)
        yield self._gauge("stoa_outbox_oldest_seconds", "Age of the oldest unsent event", age)
        yield self._gauge("stoa_outbox_parked", "Events set aside after repeated failures", parked)

    def _look(self) -> tuple[int, datetime | None, int]:
        with self._sessions.begin() as session:
            wanted = select(func.count(), func.min(outbox.c.created_at), func.count(outbox.c.parked_at))
            count, oldest, parked = session.execute(wanted.where(outbox.c.published_at.is_(None))).one()
            return count, oldest, parked

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        gauge = GaugeMetricFamily(name, text, labels=["service"])
        gauge.add_metric([self._service], value)
        return gauge
