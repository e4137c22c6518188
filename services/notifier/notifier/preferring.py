"""Preferring: each user says which of the mails that tell nothing indispensable are wanted."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common.database import Sessions, retried
from common.tokens import User
from notifier.models import SWITCHABLE, SwitchedOff
from notifier.schemas import PreferencesChange, PreferencesView


def read_preferences(sessions: Sessions, user: User) -> PreferencesView:
    """What the user wants; who has said nothing wants all of them."""
    with sessions.begin() as session:
        return _view(session, user.id)


@retried
def change_preferences(sessions: Sessions, user: User, change: PreferencesChange) -> PreferencesView:
    """Switch types of mails on or off, from the next event on; those that are not named stay as they are."""
    wanted = change.model_dump(exclude_none=True)
    on = [kind for kind, is_wanted in wanted.items() if is_wanted]
    off = [kind for kind, is_wanted in wanted.items() if not is_wanted]
    with sessions.begin() as session:
        if on:
            session.execute(delete(SwitchedOff).where(SwitchedOff.user_id == user.id, SwitchedOff.type.in_(on)))
        if off:
            rows = [{"user_id": user.id, "type": kind} for kind in off]
            session.execute(insert(SwitchedOff).prefix_with("IGNORE"), rows)
        return _view(session, user.id)


def unwanted(session: Session, mails: Iterable[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those of the mails, by user and type, that their users have switched off."""
    users = {user_id for user_id, kind in mails if kind in SWITCHABLE}
    if not users:
        return set()
    found = session.execute(select(SwitchedOff.user_id, SwitchedOff.type).where(SwitchedOff.user_id.in_(users)))
    return {(user_id, kind) for user_id, kind in found}


def _view(session: Session, user_id: UUID) -> PreferencesView:
    off = set(session.scalars(select(SwitchedOff.type).where(SwitchedOff.user_id == user_id)))
    return PreferencesView.model_validate({kind: kind not in off for kind in SWITCHABLE})
