"""The recipients' room: notifier's own copy of users, so that no mail waits for auth to say where it goes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, true
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common.consumer import NotYet
from common.events.auth import UserRegistered, UserUpdated
from notifier.clients import Administrator
from notifier.models import LONGEST_NAME, NOBODY, Recipient

ADMIN = "admin"
"""Auth's word for the role."""
IS_ADMIN = Recipient.is_admin == true()
"""By equality: no index is used for `IS true`."""


@dataclass(frozen=True)
class Address:
    email: str
    name: str


def learn(session: Session, told: Iterable[UserRegistered | UserUpdated | Administrator]) -> None:
    """Keep the newest of each user, in whatever order they are told."""
    rows = sorted((_row(each) for each in told), key=lambda row: (row["user_id"], row["version"]))
    if not rows:
        return
    learned, own = insert(Recipient).values(rows), Recipient.__table__.c
    newer = learned.inserted.version > own.version
    newest: list[tuple[str, Any]] = [
        (name, func.if_(newer, learned.inserted[name], own[name])) for name in ("email", "name")
    ]
    up_to_date = learned.inserted.version >= own.version
    rights = func.if_(up_to_date, func.coalesce(learned.inserted.is_admin, own.is_admin), own.is_admin)
    # MySQL assigns from left to right: the version comes last, or the comparisons would meet the new one.
    newest += [("is_admin", rights), ("version", func.greatest(learned.inserted.version, own.version))]
    session.execute(learned.on_duplicate_key_update(newest))


def _row(told: UserRegistered | UserUpdated | Administrator) -> dict[str, Any]:
    kept = {"user_id": told.user_id, "email": told.email, "version": told.version}
    if isinstance(told, Administrator):
        return kept | {"name": told.name[:LONGEST_NAME], "is_admin": True}
    name = f"{told.first_name} {told.last_name}".strip() or told.username
    return kept | {"name": name[:LONGEST_NAME], "is_admin": _is_admin(told)}


def _is_admin(told: UserRegistered | UserUpdated) -> bool | None:
    """None for an event of a time when that was not told."""
    return None if told.role is None else told.role == ADMIN and told.is_active is not False


def addresses(session: Session, users: Iterable[UUID]) -> dict[UUID, Address]:
    """Where those of the users are reached who have been heard of."""
    found = session.execute(
        select(Recipient.user_id, Recipient.email, Recipient.name).where(Recipient.user_id.in_(list(users)))
    )
    known = {user_id: Address(email, name) for user_id, email, name in found}
    return known | {NOBODY: Address("", "")}


def administrators(session: Session) -> Sequence[UUID]:
    """All administrators who may sign in. Raises NotYet while it is not known of somebody whether they are one."""
    if session.scalar(select(Recipient.user_id).where(Recipient.is_admin.is_(None)).limit(1)) is not None:
        raise NotYet("it is not known of everybody yet who is an administrator")
    admins = select(Recipient.user_id).where(IS_ADMIN).order_by(Recipient.user_id)
    return session.scalars(admins).all()
