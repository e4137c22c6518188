"""The queue of mails: each gets in once, is handed over when it is due, and stays when nobody can take it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common import outbox
from common.clock import now
from common.consumer import NotYet
from common.database import Sessions, retried
from common.events import Event
from common.events.auth import UserRegistered, UserUpdated
from common.ids import new_id
from notifier.models import LONGEST_NAME, MAILS, NOBODY, Notification, Recipient, State
from notifier.wording import URGENT, Wording, word

LEARNED = ("email", "name", "version")
"""What a newer event overwrites; the version last, since each column is compared by it."""
QUEUE = insert(MAILS).prefix_with("IGNORE")
"""Given its rows apart: so it is put into words once, and the driver still sends all rows in one statement."""
DISPATCH_CHUNK = 200
DISPATCHED_FOR = timedelta(minutes=5)
"""A mail handed to the workers is handed over again if it has not been sent by then."""


@dataclass(frozen=True)
class Address:
    email: str
    name: str


def queue_mails(session: Session, events: Sequence[Event]) -> bool:
    """Queue the mail about each event, once whatever is heard again; whether one is urgent.

    Raises NotYet for an unknown recipient.
    """
    _learn(session, [event for event in events if isinstance(event, UserRegistered | UserUpdated)])
    wordings = [wording for event in events for wording in word(event)]
    addresses = _addresses(session, {wording.user_id for wording in wordings})
    if wordings:
        session.execute(QUEUE, [_row(wording, addresses) for wording in wordings])
    return any(wording.type in URGENT for wording in wordings)


def _learn(session: Session, told: Sequence[UserRegistered | UserUpdated]) -> None:
    """Keep the newest name and address of each user, in whatever order they are told."""
    if not told:
        return
    rows = [
        {
            "user_id": event.user_id,
            "email": event.email,
            "name": (f"{event.first_name} {event.last_name}".strip() or event.username)[:LONGEST_NAME],
            "version": event.version,
        }
        for event in sorted(told, key=lambda event: (event.user_id, event.version))
    ]
    learned = insert(Recipient).values(rows)
    newer = learned.inserted.version > Recipient.version
    newest = [(name, func.if_(newer, learned.inserted[name], Recipient.__table__.c[name])) for name in LEARNED]
    session.execute(learned.on_duplicate_key_update(newest))


def _addresses(session: Session, users: set[UUID]) -> dict[UUID, Address]:
    found = session.execute(
        select(Recipient.user_id, Recipient.email, Recipient.name).where(Recipient.user_id.in_(users))
    )
    known = {user_id: Address(email, name) for user_id, email, name in found}
    return known | {NOBODY: Address("", "")}


def _row(wording: Wording, addresses: dict[UUID, Address]) -> dict[str, Any]:
    address = addresses.get(wording.user_id)
    if address is None:
        raise NotYet(f"user {wording.user_id} has not been heard of yet")
    moment = now()
    return {
        "id": new_id(),
        "cause": wording.cause,
        "type": wording.type,
        "user_id": wording.user_id,
        "challenge_id": wording.challenge_id,
        "email": address.email if wording.email is None else wording.email,
        "subject": wording.subject,
        "data": wording.data | {"name": address.name},
        "state": State.QUEUED,
        "attempts": 0,
        "error": "",
        "created_at": moment,
        "due_at": moment,
        "sent_at": None,
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
            .where(Notification.state.in_([State.QUEUED, State.SENDING]), Notification.due_at <= now(), whose)
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


def tidy(sessions: Sessions) -> None:
    """Drop old inbox rows, a chunk per transaction."""
    while _purge(sessions) == outbox.PURGE_CHUNK:
        pass


@retried
def _purge(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return outbox.purge(session, outbox.inbox)
