"""The tests' own desk for webhooks: makes endpoints, lets workers visit them, and reads what became of deliveries."""

import ssl
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from common.clock import now
from common.database import Sessions
from common.events import Envelope, Event
from notifier.hooks.courier import Courier
from notifier.hooks.dispatch import plan_visits
from notifier.hooks.guard import Policy
from notifier.hooks.keeping import Keeper, change_endpoint, create_endpoint
from notifier.hooks.models import Delivery, Endpoint
from notifier.hooks.schemas import EndpointChange, EndpointDraft, EndpointWithSecret
from notifier.hooks.signatures import Seal
from notifier.hooks.telling import queue_deliveries
from notifier.hooks.visiting import visit

KEY = "only-for-the-tests-of-notifier-0123456789"
SEAL = Seal(KEY)
TRUSTED = ssl.create_default_context()
HERE = Policy(allow_clear=True, allow_private=True)
KEEPER = Keeper(SEAL, HERE)


def keep(sessions: Sessions, url: str, *events: str) -> EndpointWithSecret:
    """A new endpoint; without patterns it hears everything."""
    return create_endpoint(sessions, KEEPER, EndpointDraft(url=url, events=list(events or ("*",))))


def change_to(sessions: Sessions, made: EndpointWithSecret, **values: Any) -> None:
    """As an administrator does."""
    change_endpoint(sessions, KEEPER, made.id, EndpointChange(**values))


def tell(sessions: Sessions, *events: Event) -> list[Envelope]:
    """As the consumer does, without mails."""
    told = [Envelope.of(event) for event in events]
    with sessions.begin() as session:
        queue_deliveries(session, told)
    return told


def work(sessions: Sessions, seal: Seal = SEAL) -> int:
    """As the desk and the workers do, one visit after the other until nothing is due; how many visits it took."""
    taken = 0
    while visits := plan_visits(sessions):
        for endpoint_id, before in visits:
            go(sessions, endpoint_id, before, seal)
            taken += 1
    return taken


def go(sessions: Sessions, endpoint_id: UUID, before: int, seal: Seal = SEAL) -> None:
    """One visit."""
    with Courier(HERE, TRUSTED) as courier:
        visit(sessions, endpoint_id, before, courier, seal)


def wait_in_spirit(sessions: Sessions) -> None:
    """Let every pause and every lease be over."""
    with sessions.begin() as session:
        session.execute(update(Delivery).values(due_at=now()))
        session.execute(update(Endpoint).values(rests_until=None, busy_until=now()))


def deliveries(sessions: Sessions) -> list[Delivery]:
    with sessions.begin() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def only_delivery(sessions: Sessions) -> Delivery:
    (delivery,) = deliveries(sessions)
    return delivery


def endpoint_of(sessions: Sessions, made: EndpointWithSecret) -> Endpoint:
    with sessions.begin() as session:
        return session.get_one(Endpoint, made.id)


def states(sessions: Sessions) -> list[str]:
    return [delivery.state for delivery in deliveries(sessions)]


def change(sessions: Sessions, table: Any, **values: Any) -> None:
    """As time, or another worker, would."""
    with sessions.begin() as session:
        session.execute(update(table).values(values))
