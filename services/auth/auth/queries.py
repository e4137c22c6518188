"""What auth can be asked."""

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import load_only

from auth.challenges import Challenges
from auth.models import Challenge, Role, User, UserSession, compared
from auth.schemas import MailedSecret, SessionView, UsersQuery, UserView
from common import tokens
from common.clock import now
from common.database import Sessions
from common.errors import NotFound, Unauthorized
from common.ids import parse_id
from common.pagination import Key, ListQuery, Page, read_page

ACTIVE_ADMINS = select(User).where(User.role == Role.ADMIN, User.is_active.is_(True)).order_by(User.id)
"""All administrators who may sign in, in the order of their ids."""
TOLD_OF_ADMINS = (User.version, User.email, User.username, User.first_name, User.last_name)


def me(sessions: Sessions, user_id: UUID) -> User:
    """The account that a token speaks for. Raises Unauthorized when it is gone."""
    with sessions.begin() as session:
        user = session.get(User, user_id)
    if user is None:
        raise Unauthorized("this account is gone; sign in again", code="session_ended")
    return user


def find_user(sessions: Sessions, user_id: UUID) -> User:
    """An account. Raises NotFound."""
    with sessions.begin() as session:
        user = session.get(User, user_id)
    if user is None:
        raise NotFound("there is no such user", code="user_not_found")
    return user


def list_users(sessions: Sessions, query: UsersQuery, url: str) -> Page[UserView]:
    """A page of accounts, the newest first unless another order is asked for. Raises Invalid, NotFound past the end."""
    by_name, down = "username" in query.ordering, query.ordering.startswith("-")
    key = Key(User.username_key, str, down) if by_name else Key(User.id, parse_id, down)
    with sessions.begin() as session:
        return read_page(session, select(User).where(*_conditions(query)), key, query, url, UserView.model_validate)


def _conditions(query: UsersQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.search is not None:
        word = compared(query.search)
        conditions.append(or_(*(key.startswith(word, autoescape=True) for key in (User.username_key, User.email_key))))
    if query.role is not None:
        conditions.append(User.role == query.role)
    if query.is_active is not None:
        conditions.append(User.is_active.is_(query.is_active))
    return conditions


def administrators(sessions: Sessions) -> list[User]:
    """All administrators who may sign in, with what a sister may know of them."""
    with sessions.begin() as session:
        return list(session.scalars(ACTIVE_ADMINS.options(load_only(*TOLD_OF_ADMINS, raiseload=True))))


def list_sessions(sessions: Sessions, user: tokens.User, query: ListQuery, url: str) -> Page[SessionView]:
    """A page of the user's sessions that go on, the newest first. Raises Invalid, NotFound past the end."""
    going_on = select(UserSession).where(
        UserSession.user_id == user.id, UserSession.revoked_at.is_(None), UserSession.expires_at > now()
    )
    with sessions.begin() as session:
        view = partial(SessionView.of, present=user.session)
        return read_page(session, going_on, Key(UserSession.id, parse_id), query, url, view)


def mailed_secret(sessions: Sessions, challenges: Challenges, challenge_id: UUID) -> MailedSecret:
    """What a mail about this challenge says, and to whom. Raises NotFound when there is nothing to mail (any more)."""
    with sessions.begin() as session:
        challenge = session.get(Challenge, challenge_id)
        if challenge is not None and challenge.is_open:
            user = session.scalar(select(User).where(User.email_key == challenge.email_key, User.is_active.is_(True)))
            if user is not None:
                return MailedSecret(
                    purpose=challenge.purpose,
                    user_id=user.id,
                    email=user.email,
                    name=user.full_name,
                    secret=challenges.secret(challenge),
                    expires_at=challenge.expires_at,
                )
    raise NotFound("there is nothing to be mailed for this challenge", code="nothing_to_mail")


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
