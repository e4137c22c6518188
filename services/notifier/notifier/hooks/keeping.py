"""What administrators do to webhooks: make, change and remove endpoints, renew a secret, have something sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import MISSING
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.clock import now
from common.database import LostRace, Sessions, retried
from common.errors import Conflict, Invalid, NotFound
from common.ids import new_id
from notifier.hooks.guard import Policy, Refused, checked_url
from notifier.hooks.models import AT_ONCE, MOST_ENDPOINTS, Delivery, DeliveryState, Endpoint
from notifier.hooks.queries import known
from notifier.hooks.schemas import DeliveryView, EndpointChange, EndpointDraft, EndpointWithSecret
from notifier.hooks.signatures import Seal, new_secret
from notifier.hooks.telling import TOLD, a_test, row, stray


@dataclass(frozen=True)
class Keeper:
    """What keeping endpoints needs beside the database."""

    seal: Seal
    policy: Policy


@retried
def create_endpoint(sessions: Sessions, keeper: Keeper, draft: EndpointDraft) -> EndpointWithSecret:
    """A new endpoint with its secret. Raises Invalid, and Conflict when there are as many as there may be."""
    url, secret, moment = _checked(draft.url, keeper.policy), new_secret(), now()
    events = _told(draft.events)
    with sessions.begin() as session:
        endpoint = Endpoint(
            id=new_id(),
            slot=_free_slot(session),
            url=url,
            events=events,
            description=draft.description,
            active=draft.active,
            secret=keeper.seal.close(secret),
            failures=0,
            visits=0,
            busy_until=moment,
            created_at=moment,
            updated_at=moment,
        )
        session.add(endpoint)
        _flush(session)
        return EndpointWithSecret.of(endpoint, secret)


def _free_slot(session: Session) -> int:
    taken = set(session.scalars(select(Endpoint.slot)))
    free = next((slot for slot in range(MOST_ENDPOINTS) if slot not in taken), None)
    if free is None:
        raise Conflict(f"there are {MOST_ENDPOINTS} webhooks, the most; remove one first", code="too_many_webhooks")
    return free


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError:
        raise LostRace("somebody else has just taken this slot") from None


@retried
def change_endpoint(sessions: Sessions, keeper: Keeper, endpoint_id: UUID, change: EndpointChange) -> Endpoint:
    """Change what was sent. A new address begins without failures; switching on also resumes what was waiting.

    Raises NotFound, Invalid.
    """
    with sessions.begin() as session:
        endpoint = known(session, endpoint_id, locked=True)
        if change.url is not MISSING:
            _move(endpoint, _checked(change.url, keeper.policy))
        if change.events is not MISSING:
            endpoint.events = _told(change.events)
        if change.description is not MISSING:
            endpoint.description = change.description
        if change.active is not MISSING:
            _switch(session, endpoint, on=change.active)
        endpoint.updated_at = now()
        return endpoint


def _move(endpoint: Endpoint, url: str) -> None:
    if url != endpoint.url:
        endpoint.url = url
        endpoint.forgive()


def _switch(session: Session, endpoint: Endpoint, *, on: bool) -> None:
    if on and not endpoint.active:
        endpoint.enable()
        _resume(session, endpoint)
    elif endpoint.active and not on:
        endpoint.disable(None)


def _resume(session: Session, endpoint: Endpoint) -> None:
    """What was waiting goes out now, with tries anew."""
    waiting = update(Delivery).where(Delivery.endpoint_id == endpoint.id, Delivery.state == DeliveryState.QUEUED)
    anew = waiting.values(due_at=now(), tried_before=Delivery.attempts)
    session.execute(anew.execution_options(synchronize_session=False))


@retried
def remove_endpoint(sessions: Sessions, endpoint_id: UUID) -> None:
    """Remove an endpoint; what was meant for it is seen no more and tidied away (`dispatch`). Raises NotFound."""
    with sessions.begin() as session:
        session.delete(known(session, endpoint_id, locked=True))


@retried
def rotate_secret(sessions: Sessions, keeper: Keeper, endpoint_id: UUID) -> EndpointWithSecret:
    """A new secret; the one before signs too for a day. Raises NotFound.

    One before that was sealed with another key signs no more: what waited because of it goes out.
    """
    secret = new_secret()
    with sessions.begin() as session:
        endpoint = known(session, endpoint_id, locked=True)
        if keeper.seal.can_open(endpoint.secret):
            endpoint.rotate(keeper.seal.close(secret))
        else:
            endpoint.begin_anew(keeper.seal.close(secret))
            _resume(session, endpoint)
        endpoint.updated_at = now()
        return EndpointWithSecret.of(endpoint, secret)


@retried
def send_test(sessions: Sessions, endpoint_id: UUID) -> DeliveryView:
    """Queue a test event for this endpoint alone. Raises NotFound, Conflict."""
    with sessions.begin() as session:
        endpoint = _active(session, endpoint_id)
        queued = row(endpoint, a_test(endpoint)) | {"due_at": AT_ONCE}
        session.execute(insert(Delivery), [queued])
        return DeliveryView.of(session.get_one(Delivery, queued["id"]), endpoint)


@retried
def redeliver(sessions: Sessions, endpoint_id: UUID, delivery_id: UUID) -> DeliveryView:
    """Send a delivery again, whatever became of it, under its own id and with tries anew. Raises NotFound, Conflict."""
    with sessions.begin() as session:
        endpoint = _active(session, endpoint_id)
        delivery = session.get(Delivery, delivery_id, with_for_update=True)
        if delivery is None or delivery.endpoint_id != endpoint_id:
            raise NotFound("there is no such delivery", code="delivery_not_found")
        if delivery.state == DeliveryState.SENDING and delivery.due_at > now():
            raise Conflict("it is being sent at this moment; look again shortly", code="delivery_in_progress")
        delivery.send_again()
        return DeliveryView.of(delivery, endpoint)


def _active(session: Session, endpoint_id: UUID) -> Endpoint:
    """The endpoint, which somebody wants to try now."""
    endpoint = known(session, endpoint_id, locked=True)
    if not endpoint.active:
        raise Conflict("this webhook is disabled; enable it first", code="webhook_disabled")
    return endpoint


def _checked(url: str, policy: Policy) -> str:
    try:
        return checked_url(url, policy)
    except Refused as refusal:
        raise Invalid(str(refusal), code="invalid_url", errors={"url": [str(refusal)]}) from None


def _told(patterns: Sequence[str]) -> list[str]:
    """The patterns, each once. Raises Invalid for one that names nothing that is told."""
    if strays := stray(patterns):
        sentence = f"nothing is told of {', '.join(strays)}; there are {', '.join(TOLD)}, groups such as order.*, and *"
        raise Invalid(sentence, code="unknown_event_type", errors={"events": [sentence]})
    return list(dict.fromkeys(patterns))
