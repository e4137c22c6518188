"""The tables of webhooks: endpoints of integrators, and each delivery with its fate."""

import random
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, Boolean, Index, Integer, SmallInteger, String, UniqueConstraint
from sqlalchemy.dialects.mysql import MEDIUMBLOB
from sqlalchemy.orm import Mapped, mapped_column

from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid
from notifier.hooks.outcome import Outcome
from notifier.models import Base

RETRY_S = (5, 30, 120, 300, 600, 1200, 1800, 3600, 5400, 7200, 10800, 14400, 18000, 28800)
"""Seconds until the next try, growing over 25.6 hours. Standard Webhooks asks for a growing, jittered schedule and
begins its example with 5 s; ours is denser, so that the fifteen after which an endpoint is disabled fill a day."""
JITTER = 0.1
"""A pause is up to a tenth longer, so that what has failed together does not come back together."""
MOST_TRIES = len(RETRY_S) + 1
MOST_FAILURES = 15
"""Failures in a row, whichever deliveries they belong to, after which an endpoint is disabled. It rests between them as
RETRY_S says, however much there is to tell: traffic alone disables nobody sooner than in a day."""
LONGEST_WISH_S = 86_400
"""The longest Retry-After that is heeded."""
GONE = 410
LEASE = timedelta(seconds=60)
"""How long a worker may take over one delivery: longer than all of its time-outs together (`courier.WHOLE_S`)."""
ROTATING = timedelta(hours=24)
"""How long the secret before the present one signs too."""
AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""When a delivery is due that somebody has asked for: before everything that has become due by itself."""
MOST_ENDPOINTS = 20
LONGEST_URL = 2000
LONGEST_ERROR = 500


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Reason(StrEnum):
    """Why an endpoint was disabled."""

    FAILURES = "failures"
    GONE = "gone"


class Endpoint(Base):
    """Where an integrator wants to be told, and of what. Its secrets are sealed; `slot` bounds how many there are.

    One worker at a time visits it: `visits` counts those that have begun, `busy_until` is when the present one, or one
    that was handed to the workers, counts as dead.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (UniqueConstraint("slot"), TABLE_OPTIONS)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger)
    url: Mapped[str] = mapped_column(String(2048, collation=EXACT))
    events: Mapped[list[str]] = mapped_column(JSON)
    description: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(Boolean)
    disabled_reason: Mapped[str | None] = mapped_column(String(20))
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    secret: Mapped[str] = mapped_column(String(255, collation=EXACT))
    previous_secret: Mapped[str | None] = mapped_column(String(255, collation=EXACT))
    previous_secret_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(Integer)
    rests_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    visits: Mapped[int] = mapped_column(Integer)
    busy_until: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    def wants(self, event_type: str) -> bool:
        """Whether one of its patterns names the event type."""
        return any(covers(pattern, event_type) for pattern in self.events)

    @property
    def is_resting(self) -> bool:
        """Whether it has failed and is left alone for a while."""
        return self.rests_until is not None and self.rests_until > now()

    def sealed_secrets(self) -> list[str]:
        """What its deliveries are signed with: the present secret, and the one before for a day."""
        previous, until = self.previous_secret, self.previous_secret_until
        return [self.secret] if previous is None or until is None or until <= now() else [self.secret, previous]

    def rotate(self, sealed: str) -> None:
        """Sign with another secret; the present one goes on for a day."""
        self.previous_secret, self.previous_secret_until = self.secret, now() + ROTATING
        self.secret = sealed

    def begin_anew(self, sealed: str) -> None:
        """Sign with this secret alone, at once: nobody can open the present one."""
        self.previous_secret, self.previous_secret_until = None, None
        self.secret, self.rests_until = sealed, None

    def forgive(self) -> None:
        """Count its failures from zero and go there at once."""
        self.failures = 0
        self.rests_until = None

    def enable(self) -> None:
        """Tell it again."""
        self.active, self.disabled_reason, self.disabled_at = True, None, None
        self.forgive()

    def disable(self, reason: Reason | None) -> None:
        """Tell it nothing more; without a reason somebody wanted it so."""
        self.active, self.disabled_reason, self.disabled_at = False, reason, now()

    def note_failure(self, outcome: Outcome, pause: timedelta) -> None:
        """Leave it alone for a while; disable it when it is gone, or has failed too often in a row."""
        self.failures += 1
        self.rests_until = now() + pause
        if outcome.status_code == GONE:
            self.disable(Reason.GONE)
        elif self.failures >= MOST_FAILURES:
            self.disable(Reason.FAILURES)


class Delivery(Base):
    """One event for one endpoint, as the bytes that each try signs and sends. `due_at` is its next try, or when its
    worker's lease ends. `tried_before` counts the attempts made before somebody last asked for it to be sent again. The
    body is read by nobody but the worker that sends it (`visiting._next`).
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("ix_webhook_deliveries_endpoint_id_state_due_at", "endpoint_id", "state", "due_at", "id"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_created_at", "created_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(Uuid)
    event_id: Mapped[UUID] = mapped_column(Uuid)
    event_type: Mapped[str] = mapped_column(String(64, collation=EXACT))
    body: Mapped[bytes] = mapped_column(MEDIUMBLOB, deferred=True, deferred_raiseload=True)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer)
    tried_before: Mapped[int] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    answer: Mapped[str] = mapped_column(String(500))
    error: Mapped[str] = mapped_column(String(LONGEST_ERROR))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody has asked for its next try."""
        return self.due_at == AT_ONCE

    @property
    def tries(self) -> int:
        """Attempts of the present round."""
        return self.attempts - self.tried_before

    def claim(self) -> None:
        """A worker is about to send it."""
        self.state = DeliveryState.SENDING
        self.attempts += 1
        self.due_at = now() + LEASE

    def succeed(self, outcome: Outcome) -> None:
        """The endpoint has taken it."""
        self._note(outcome)
        self.state = DeliveryState.DELIVERED
        self.delivered_at = now()

    def fail(self, outcome: Outcome, pause: timedelta, endpoint: Endpoint) -> None:
        """Try again after the pause, unless that was the last try; what disabled the endpoint waits for it."""
        self._note(outcome)
        final = endpoint.active and self.tries >= MOST_TRIES
        self.state = DeliveryState.FAILED if final else DeliveryState.QUEUED
        self.due_at = now() + pause

    def postpone(self, error: str, pause: timedelta) -> None:
        """It was not sent for a reason of our own, which counts as no try."""
        self.error = error[:LONGEST_ERROR]
        self.tried_before += 1
        self.state = DeliveryState.QUEUED
        self.due_at = now() + pause

    def send_again(self) -> None:
        """Begin another round of tries, before all others."""
        self.state = DeliveryState.QUEUED
        self.tried_before = self.attempts
        self.due_at = AT_ONCE

    def _note(self, outcome: Outcome) -> None:
        self.status_code, self.duration_ms = outcome.status_code, outcome.duration_ms
        self.answer, self.error = outcome.answer, outcome.error[:LONGEST_ERROR]


def covers(pattern: str, event_type: str) -> bool:
    """Whether a pattern names an event type: `*` all, `order.*` a group, `order.placed` one."""
    return pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))


def pause_after(tries: int, wish_s: int = 0) -> timedelta:
    """How long to wait after so many tries or failures in a row; longer if the endpoint asked for it (Retry-After)."""
    planned = RETRY_S[min(tries, len(RETRY_S)) - 1]
    seconds = max(planned, min(wish_s, LONGEST_WISH_S))
    return timedelta(seconds=seconds * random.uniform(1, 1 + JITTER))  # noqa: S311 - jitter
