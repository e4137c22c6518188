"""How deliveries are sent: one worker visits an endpoint and hands over what is due, each under a claim of its own.

A visit ends when nothing more is due, when a delivery fails, or when others have waited long enough: a slow integrator
holds one worker's thread, and those of mails never (`dispatch.SHARE`).
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from common.clock import now
from common.database import Sessions, affected, retried
from common.errors import Unavailable
from notifier.hooks.courier import Courier
from notifier.hooks.models import AT_ONCE, LEASE, Delivery, DeliveryState, Endpoint, pause_after
from notifier.hooks.outcome import Outcome
from notifier.hooks.signatures import Seal, sign

log = structlog.get_logger(__name__)

VISIT_S = 20.0
"""After so long a visit makes room for the next endpoint; a delivery that has begun is finished (15 s at most)."""
NO_PAUSE = timedelta(0)
OWN_FAULT = timedelta(minutes=10)
"""The pause after a delivery that could not be signed, which an operator has to mend."""
CONTENT_TYPE = "application/cloudevents+json"
AGENT = "Stoa-Webhooks/1"


@dataclass(frozen=True)
class Errand:
    """What a worker needs to know of a delivery while it holds no transaction."""

    endpoint_id: UUID
    delivery_id: UUID
    attempt: int
    is_asked_for: bool
    event_id: UUID
    url: str
    sealed: list[str]
    body: bytes


def visit(sessions: Sessions, endpoint_id: UUID, before: int, courier: Courier, seal: Seal) -> None:
    """Deliver what is due at an endpoint, the oldest first; nothing when it has had another number of visits before."""
    over_at, number = time.monotonic() + VISIT_S, before + 1
    if not _arrive(sessions, endpoint_id, number):
        return
    while errand := _take(sessions, endpoint_id, number):
        _carry_out(sessions, errand, courier, seal)
        if time.monotonic() > over_at:
            break
    _leave(sessions, endpoint_id, number)


@retried
def _arrive(sessions: Sessions, endpoint_id: UUID, number: int) -> bool:
    """Begin the visit of this number, if nobody has."""
    begun = update(Endpoint).where(Endpoint.id == endpoint_id, Endpoint.visits == number - 1)
    begun = begun.values(visits=number, busy_until=now() + LEASE)
    with sessions.begin() as session:
        if affected(session.execute(begun.execution_options(synchronize_session=False))) == 0:
            return False
        _recall(session, endpoint_id)
        return True


def _recall(session: Session, endpoint_id: UUID) -> None:
    """What a worker had in hand whose lease has run out is due again."""
    lapsed = update(Delivery).where(Delivery.endpoint_id == endpoint_id, Delivery.due_at <= now())
    lapsed = lapsed.where(Delivery.state == DeliveryState.SENDING).values(state=DeliveryState.QUEUED)
    session.execute(lapsed.execution_options(synchronize_session=False))


@retried
def _take(sessions: Sessions, endpoint_id: UUID, number: int) -> Errand | None:
    """Claim the next delivery. The endpoint's row is locked meanwhile, so nobody else claims one there."""
    with sessions.begin() as session:
        endpoint = _visited(session, endpoint_id, number)
        delivery = None if endpoint is None else _next(session, endpoint)
        if endpoint is None or delivery is None:
            return None
        endpoint.busy_until = now() + LEASE
        is_asked_for = delivery.is_asked_for
        delivery.claim()
        return Errand(
            endpoint_id=endpoint_id,
            delivery_id=delivery.id,
            attempt=delivery.attempts,
            is_asked_for=is_asked_for,
            event_id=delivery.event_id,
            url=endpoint.url,
            sealed=endpoint.sealed_secrets(),
            body=delivery.body,
        )


def _visited(session: Session, endpoint_id: UUID, number: int) -> Endpoint | None:
    """The endpoint, if this visit goes on."""
    endpoint = session.get(Endpoint, endpoint_id, with_for_update=True)
    if endpoint is None or endpoint.visits != number or not endpoint.active:
        return None
    return endpoint


def _next(session: Session, endpoint: Endpoint) -> Delivery | None:
    """What was asked for comes first, and alone while the endpoint rests since a delivery has failed."""
    latest = AT_ONCE if endpoint.is_resting else now()
    due = select(Delivery).options(undefer(Delivery.body)).where(Delivery.endpoint_id == endpoint.id)
    due = due.where(Delivery.state == DeliveryState.QUEUED, Delivery.due_at <= latest)
    due = due.order_by(Delivery.due_at, Delivery.id).limit(1)
    return session.scalars(due.with_for_update(skip_locked=True)).first()


def _carry_out(sessions: Sessions, errand: Errand, courier: Courier, seal: Seal) -> None:
    """Send one delivery and note what became of it."""
    try:
        headers = _headers(errand, seal)
    except Unavailable as fault:
        log.error("webhook_not_signed", endpoint=str(errand.endpoint_id), error=fault.detail)
        _postpone(sessions, errand, fault.detail)
        return
    _close(sessions, errand, courier.post(errand.url, headers, errand.body))


def _headers(errand: Errand, seal: Seal) -> dict[str, str]:
    """Standard Webhooks' three and our own; the time is that of the try. Raises Unavailable."""
    timestamp = int(time.time())
    secrets = [seal.open(sealed) for sealed in errand.sealed]
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": AGENT,
        "Accept-Encoding": "identity",
        "webhook-id": str(errand.event_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, str(errand.event_id), timestamp, errand.body),
    }


@retried
def _close(sessions: Sessions, errand: Errand, outcome: Outcome) -> None:
    """Note the outcome. What was taken is taken; of a worker that was too slow and failed nobody wants to know.

    What an address did that is no more the endpoint's tells nothing about the present one.
    """
    with sessions.begin() as session:
        endpoint = session.get(Endpoint, errand.endpoint_id, with_for_update=True)
        delivery = session.get(Delivery, errand.delivery_id, with_for_update=True)
        if endpoint is None or delivery is None:  # removed meanwhile
            return
        if outcome.succeeded:
            delivery.succeed(outcome)
            if endpoint.url == errand.url:
                endpoint.forgive()
        elif _is_ours(delivery, errand):
            _note_failure(endpoint, delivery, errand, outcome)


def _note_failure(endpoint: Endpoint, delivery: Delivery, errand: Errand, outcome: Outcome) -> None:
    """A try that somebody asked for counts against the delivery alone: asking often must not disable an endpoint."""
    if endpoint.url != errand.url:
        delivery.postpone(f"the address was changed; the previous one: {outcome.summary}", NO_PAUSE)
        return
    if not errand.is_asked_for:
        endpoint.note_failure(outcome, pause_after(endpoint.failures + 1, outcome.wish_s))
    delivery.fail(outcome, pause_after(delivery.tries, outcome.wish_s), endpoint)
    if not endpoint.active:
        log.warning("webhook_disabled", endpoint=str(endpoint.id), reason=endpoint.disabled_reason)


@retried
def _postpone(sessions: Sessions, errand: Errand, error: str) -> None:
    with sessions.begin() as session:
        endpoint = session.get(Endpoint, errand.endpoint_id, with_for_update=True)
        delivery = session.get(Delivery, errand.delivery_id, with_for_update=True)
        if endpoint is None or delivery is None or not _is_ours(delivery, errand):
            return
        if endpoint.secret != errand.sealed[0]:  # renewed meanwhile
            delivery.postpone(error, NO_PAUSE)
            return
        delivery.postpone(error, OWN_FAULT)
        endpoint.rests_until = now() + OWN_FAULT


def _is_ours(delivery: Delivery, errand: Errand) -> bool:
    return delivery.state == DeliveryState.SENDING and delivery.attempts == errand.attempt


@retried
def _leave(sessions: Sessions, endpoint_id: UUID, number: int) -> None:
    """Somebody else may visit it, or we again."""
    with sessions.begin() as session:
        ours = update(Endpoint).where(Endpoint.id == endpoint_id, Endpoint.visits == number)
        session.execute(ours.values(busy_until=now()).execution_options(synchronize_session=False))
