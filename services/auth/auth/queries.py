"""What auth can be asked."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from auth.models import User, UserSession
from common.clock import now
from common.database import Sessions
from common.errors import Unauthorized


def me(sessions: Sessions, user_id: UUID) -> User:
    """The account that a token speaks for. Raises Unauthorized when it is gone."""
    with sessions.begin() as session:
        user = session.get(User, user_id)
    if user is None:
        raise Unauthorized("this account is gone; sign in again", code="session_ended")
    return user


def is_open(sessions: Sessions, session_id: UUID) -> bool:
    """Whether a session goes on; an unknown one does not."""
    going_on = select(UserSession.id).where(
        UserSession.id == session_id, UserSession.revoked_at.is_(None), UserSession.expires_at > now()
    )
    with sessions.begin() as session:
        return session.scalar(going_on) is not None


def ended_since(sessions: Sessions, moment: datetime) -> list[UUID]:
    """The sessions that were ended at this moment or later."""
    with sessions.begin() as session:
        return list(session.scalars(select(UserSession.id).where(UserSession.revoked_at >= moment)))
