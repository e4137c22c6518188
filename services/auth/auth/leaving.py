"""Ending sessions: one's own, one of one's others, or all; first in MySQL, then for every service at once."""

from uuid import UUID

from auth.grants import end_sessions, open_sessions
from auth.models import User
from auth.revocations import RevokedSet
from auth.schemas import Leaving, Message
from common import tokens
from common.database import Sessions, retried
from common.errors import NotFound


def log_out(sessions: Sessions, revoked: RevokedSet, user: tokens.User, form: Leaving) -> Message:
    """End the session that asks, or all sessions of its user."""
    revoked.add(_leave(sessions, user, form))
    return Message(message="you are signed out everywhere" if form.all else "you are signed out")


@retried
def _leave(sessions: Sessions, user: tokens.User, form: Leaving) -> list[UUID]:
    with sessions.begin() as session:
        account = session.get_one(User, user.id, with_for_update=True)
        ended = open_sessions(session, user.id) if form.all else [user.session]
        return end_sessions(session, account, ended, "logout")


def end_session(sessions: Sessions, revoked: RevokedSet, user: tokens.User, session_id: UUID) -> None:
    """End one of the user's sessions. Raises NotFound for any other, and for one that is over."""
    revoked.add(_end(sessions, user, session_id))


@retried
def _end(sessions: Sessions, user: tokens.User, session_id: UUID) -> list[UUID]:
    with sessions.begin() as session:
        account = session.get_one(User, user.id, with_for_update=True)
        if session_id not in open_sessions(session, user.id):
            raise NotFound("you have no such session", code="session_not_found")
        return end_sessions(session, account, [session_id], "ended")
