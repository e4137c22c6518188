"""The figures' room: what Prometheus is told of notifier's own tables."""

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.metrics import Figure, age_s, figure
from notifier.hooks.models import Endpoint
from notifier.models import WAITING, Notification, State

COUNTED = (*WAITING, State.FAILED)


def figures(session: Session) -> Iterator[Figure]:
    """Mails that wait or have failed, and endpoints that were given up."""
    standing = select(Notification.state, func.count(), func.min(Notification.due_at))
    rows = session.execute(standing.where(Notification.state.in_(COUNTED)).group_by(Notification.state)).all()
    counts = dict.fromkeys(map(str, COUNTED), 0.0) | {state: float(count) for state, count, _ in rows}
    yield Figure("stoa_notifier_mails", "Mails that wait, are being sent, or have failed for good", counts, "state")
    late = age_s(min((due for state, _, due in rows if state in WAITING), default=None))
    yield figure("stoa_notifier_mails_overdue_seconds", "How long the mail that should go first is overdue", late)
    disabled = session.scalar(select(func.count()).where(Endpoint.disabled_reason.is_not(None))) or 0
    yield figure("stoa_notifier_webhooks_disabled", "Endpoints of integrators that were given up", disabled)
