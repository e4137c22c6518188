"""What administrators do to accounts: give and take rights, switch them off and on."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from auth.grants import end_sessions, open_sessions
from auth.models import Role, User
from auth.queries import ACTIVE_ADMINS
from auth.revocations import RevokedSet
from auth.schemas import Standing
from common import tokens
from common.database import Sessions, retried
from common.errors import Conflict, NotFound
from common.events.auth import UserUpdated
from common.outbox import say
from common.preconditions import check_match

log = structlog.get_logger(__name__)


def change_user(
    sessions: Sessions, revoked: RevokedSet, admin: tokens.User, user_id: UUID, form: Standing, if_match: str | None
) -> User:
    """Change an account's role or switch it off or on, and say so; either ends its sessions at once.

    Raises NotFound, PreconditionFailed, and Conflict when no administrator would be left.
    """
    user, ended = _change(sessions, user_id, form, if_match)
    revoked.add(ended)
    log.info("user_changed", by=str(admin.id), user=str(user.id), role=user.role, is_active=user.is_active)
    return user


@retried
def _change(sessions: Sessions, user_id: UUID, form: Standing, if_match: str | None) -> tuple[User, Sequence[UUID]]:
    with sessions.begin() as session:
        admins = _lock_admins(session)
        user = session.get(User, user_id, with_for_update=True)
        if user is None:
            raise NotFound("there is no such user", code="user_not_found")
        check_match(user.etag, if_match, "account")
        changes = form.changes(user)
        if not changes:
            return user, []
        for name, value in changes.items():
            setattr(user, name, value)
        if set(admins) <= {user.id} and not (user.role == Role.ADMIN and user.is_active):
            raise Conflict("this is the last administrator; make another one first", code="last_admin")
        reason = "disabled" if not user.is_active else "rights_changed"
        ended = end_sessions(session, user, open_sessions(session, user.id), reason)
        user.version += 1
        say(session, UserUpdated(**user.facts))
        return user, ended


def _lock_admins(session: Session) -> list[UUID]:
    """All active administrators, locked in the order of their ids, so that two cannot unmake each other at once."""
    return list(session.scalars(ACTIVE_ADMINS.with_only_columns(User.id).with_for_update()))
