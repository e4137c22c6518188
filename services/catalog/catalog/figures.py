"""The figures' room: what Prometheus is told of catalog's own tables."""

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalog.models import HELD, Reservation
from catalog.sweeping import ALERT_AFTER
from catalog.upload_models import PENDING, RUNNING, Import
from common.clock import now
from common.metrics import Figure, age_s, figure

UNFINISHED = (PENDING, RUNNING)


def figures(session: Session) -> Iterator[Figure]:
    """Holds that nobody gives back, and uploads that are not through."""
    overdue = select(func.count()).where(Reservation.state == HELD, Reservation.expires_at < now() - ALERT_AFTER)
    holds = session.scalar(overdue) or 0
    yield figure("stoa_catalog_holds_overdue", "Holds ten minutes past their end, still holding stock", holds)
    standing = select(Import.status, func.count(), func.min(func.coalesce(Import.touched_at, Import.created_at)))
    rows = session.execute(standing.where(Import.status.in_(UNFINISHED)).group_by(Import.status)).all()
    counts = dict.fromkeys(UNFINISHED, 0.0) | {status: float(count) for status, count, _ in rows}
    yield Figure("stoa_catalog_imports", "Uploads that are not through, by state", counts, "state")
    idle = age_s(min((since for _, _, since in rows), default=None))
    yield figure("stoa_catalog_import_idle_seconds", "How long the least lucky of them has not come on", idle)
