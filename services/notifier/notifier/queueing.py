"""The queue of mails: each gets in once, is handed over when it is due, and stays when nobody can take it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common import idempotency, outbox
from common.clock import now
from common.consumer import NotYet
from common.database import Sessions, retried
from common.events import Event
from common.events.auth import UserRegistered, UserUpdated
from common.ids import new_id
from notifier.models import MAILS, WAITING, Notification, State
from notifier.preferring import unwanted
from notifier.recipients import Address, addresses, administrators, learn
from notifier.wording import ADMINISTRATORS, URGENT, Wording, word

QUEUE = insert(MAILS).prefix_with("IGNORE")
"""Given its rows apart: so it is put into words once, and the driver still sends all rows in one statement."""
DISPATCH_CHUNK = 200
DISPATCHED_FOR = timedelta(minutes=5)
"""A mail handed to the workers is handed over again if it has not been sent by then."""


def queue_mails(session: Session, events: Sequence[Event], traces: Sequence[str | None] = ()) -> bool:
    """Queue the mail about each event, once whatever is heard again; whether one is urgent.

    What its user has switched off by now gets its row too, and is never sent: so it is decided once. Raises NotYet for
    an unknown recipient.
    """
    learn(session, [event for event in events if isinstance(event, UserRegistered | UserUpdated)])
    wordings = _for_each(session, _worded(events, traces))
    known = addresses(session, {wording.user_id for wording in wordings})
    off = unwanted(session, [(wording.user_id, wording.type) for wording in wordings])
    if wordings:
        rows = [_row(w, known.get(w.user_id), is_wanted=(w.user_id, w.type) not in off) for w in wordings]
        session.execute(QUEUE, rows)
    return any(wording.type in URGENT for wording in wordings)


def _worded(events: Sequence[Event], traces: Sequence[str | None]) -> Iterator[Wording]:
    """The mails about the events, each with the trace of its own."""
    for event, trace in zip_longest(events, traces):
        yield from word(event) if trace is None else (replace(wording, trace=trace) for wording in word(event))


def _for_each(session: Session, worded: Iterable[Wording]) -> list[Wording]:
    """What is for all administrators, for each of them instead. Raises NotYet."""
    wordings = list(worded)
    if not any(wording.user_id == ADMINISTRATORS for wording in wordings):
        return wordings
    admins = administrators(session)
    return [
        replace(wording, user_id=user_id)
        for wording in wordings
        for user_id in (admins if wording.user_id == ADMINISTRATORS else [wording.user_id])
    ]


def _row(wording: Wording, address: Address | None, *, is_wanted: bool) -> dict[str, Any]:
    if address is None:
        raise NotYet(f"user {wording.user_id} has not been heard of yet")
    moment = now()
    return {
        "id": new_id(),
        "cause": wording.cause,
        "type": wording.type,
        "user_id": wording.user_id,
        "challenge_id": wording.challenge_id,
        "resent_of": None,
        "email": address.email if wording.email is None else wording.email,
        "subject": wording.subject,
        "data": wording.data | {"name": address.name},
        "state": State.QUEUED if is_wanted else State.SKIPPED,
        "attempts": 0,
        "error": "",
        "created_at": moment,
        "due_at": moment,
        "sent_at": None,
        "traceparent": wording.trace,
    }


@retried
def take_due(sessions: Sessions, *, urgent: bool) -> list[UUID]:
    """Mails that are due, oldest first; they are not due again for a while, so that nobody hands them over twice.

    Either those that somebody waits for or all others. One whose worker has let its lease run out is queued anew.
    """
    whose = Notification.type.in_(URGENT) if urgent else Notification.type.not_in(URGENT)
    with sessions.begin() as session:
        due = (
            select(Notification.id)
            .where(Notification.state.in_(WAITING), Notification.due_at <= now(), whose)
            .order_by(Notification.due_at)
            .limit(DISPATCH_CHUNK)
            .with_for_update(skip_locked=True)
        )
        ids = list(session.scalars(due))
        if ids:
            taken = update(Notification).where(Notification.id.in_(ids))
            taken = taken.values(state=State.QUEUED, due_at=now() + DISPATCHED_FOR)
            session.execute(taken.execution_options(synchronize_session=False))
    return ids


@retried
def put_back(sessions: Sessions, ids: Sequence[UUID], seconds: float) -> None:
    """The workers could not be reached: these mails are due again soon."""
    with sessions.begin() as session:
        soon = update(Notification).where(Notification.id.in_(ids), Notification.state == State.QUEUED)
        session.execute(
            soon.values(due_at=now() + timedelta(seconds=seconds)).execution_options(synchronize_session=False)
        )


def make_due(session: Session) -> None:
    """Let every mail that waits be taken at once: whoever had one in hand is gone."""
    waiting = update(Notification).where(Notification.state.in_(WAITING)).values(state=State.QUEUED, due_at=now())
    session.execute(waiting.execution_options(synchronize_session=False))


def tidy(sessions: Sessions) -> None:
    """Drop old inbox rows and idempotency keys, a chunk of each per transaction."""
    while _purge(sessions) >= outbox.PURGE_CHUNK:
        pass


@retried
def _purge(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return max(outbox.purge(session, outbox.inbox), idempotency.purge(session))
