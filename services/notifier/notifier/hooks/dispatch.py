"""The desk of webhooks: sends workers to the endpoints where something is due, to a few at a time."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Table, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions, retried
from common.running import Bell
from common.tidying import drop_all
from notifier.hooks.models import AT_ONCE, Delivery, DeliveryState, Endpoint

log = structlog.get_logger(__name__)

DELIVERIES = cast(Table, Delivery.__table__)

SHARE = 4
"""Endpoints visited at once, over all replicas: half of the worker's threads (`deploy`), so that mails have the others
however slow integrators are."""
LOOK_S = 1.0
"""Between two looks for deliveries whose next try is due."""
BROKER_AWAY_S = 5.0
HANDED_FOR = timedelta(minutes=5)
"""An endpoint handed to the workers is handed over again if none has come there by then, as mails are."""
KEEP = timedelta(days=14)
"""How long the log of deliveries goes back: as long as the inbox."""

Visit = tuple[UUID, int]
"""An endpoint, and how many visits it had had when this one was planned: another since then has made it needless."""


class HookDispatch:
    """Background work of the web process. What cannot be handed over stays due in the tables."""

    name = "notifier webhook dispatch"

    def __init__(self, sessions: Sessions, enqueue: Callable[[Sequence[Visit]], None]) -> None:
        self._sessions = sessions
        self._enqueue = enqueue
        self._bell = Bell()

    def wake(self) -> None:
        """There may be new deliveries; called from the event loop."""
        self._bell.ring()

    async def run(self) -> None:
        """Hand over what is due, again and again."""
        while True:
            await asyncio.to_thread(self.hand_over)
            await self._bell.wait(LOOK_S)

    def hand_over(self) -> int:
        """How many visits were handed to the workers."""
        visits = plan_visits(self._sessions) if is_any_due(self._sessions) else []
        if visits:
            try:
                self._enqueue(visits)
            except Exception as error:
                log.warning("workers_not_reached", visits=len(visits), error=repr(error))
                put_back(self._sessions, visits, BROKER_AWAY_S)
                return 0
        return len(visits)


def is_any_due(sessions: Sessions) -> bool:
    """Whether a look with locks is worth it."""
    with sessions.begin() as session:
        return session.scalar(select(Endpoint.id).where(*_due()).limit(1)) is not None


@retried
def plan_visits(sessions: Sessions) -> list[Visit]:
    """Endpoints where something is due, those first that were left alone longest, as many as there is room for.

    All are locked, which are a handful: so the share holds however many replicas look at once. One that was switched
    off while a worker is there has that worker still.
    """
    with sessions.begin() as session:
        everyone = select(Endpoint).order_by(Endpoint.id).with_for_update()
        busy = sum(each.busy_until > now() for each in session.scalars(everyone))
        room = SHARE - busy
        return [_plan(each) for each in _waiting(session, room)] if room > 0 else []


def _waiting(session: Session, room: int) -> list[Endpoint]:
    return list(session.scalars(select(Endpoint).where(*_due()).order_by(Endpoint.busy_until).limit(room)))


def _due() -> tuple[ColumnElement[bool], ...]:
    """What somebody has asked for does not wait until the endpoint has rested."""
    moment = now()
    rested = or_(Endpoint.rests_until.is_(None), Endpoint.rests_until <= moment)
    due_by_itself = or_(_there_is(DeliveryState.QUEUED, moment), _there_is(DeliveryState.SENDING, moment))
    something = or_(and_(rested, due_by_itself), _there_is(DeliveryState.QUEUED, AT_ONCE))
    return (Endpoint.active.is_(True), Endpoint.busy_until <= moment, something)


def _there_is(state: DeliveryState, latest: datetime) -> ColumnElement[bool]:
    """One state at a time, so that the index leads past all that has been delivered."""
    return exists().where(Delivery.endpoint_id == Endpoint.id, Delivery.state == state, Delivery.due_at <= latest)


def _plan(endpoint: Endpoint) -> Visit:
    """The visit counts when it begins, however long the workers' queue is: handed over twice, it is made once."""
    endpoint.busy_until = now() + HANDED_FOR
    return endpoint.id, endpoint.visits


@retried
def put_back(sessions: Sessions, visits: Sequence[Visit], seconds: float) -> None:
    """The workers could not be reached: look again soon, but not where one of them has come all the same."""
    with sessions.begin() as session:
        for endpoint_id, before in visits:
            ours = update(Endpoint).where(Endpoint.id == endpoint_id, Endpoint.visits == before)
            soon = now() + timedelta(seconds=seconds)
            session.execute(ours.values(busy_until=soon).execution_options(synchronize_session=False))


def tidy_deliveries(sessions: Sessions) -> None:
    """Drop old deliveries, and those of endpoints that were removed."""
    drop_all(sessions, DELIVERIES, DELIVERIES.c.created_at < now() - KEEP)
    for endpoint_id in _removed(sessions):
        drop_all(sessions, DELIVERIES, DELIVERIES.c.endpoint_id == endpoint_id)


def _removed(sessions: Sessions) -> set[UUID]:
    """Endpoints that only deliveries tell of. These are looked at first: whoever has some was there before."""
    with sessions.begin() as session:
        told_of = session.scalars(select(Delivery.endpoint_id).distinct()).all()
        return set(told_of) - set(session.scalars(select(Endpoint.id)))
