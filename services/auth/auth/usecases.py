"""What auth can do for people: open an account, sign in, go on with a session, sign out."""

from dataclasses import asdict
from uuid import UUID

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.grants import Client, Grants, Opened, Pair, digest, end_sessions, open_sessions
from auth.models import RefreshToken, Role, User, UserSession, compared
from auth.passwords import Passwords, check_choice
from auth.revocations import RevokedSet
from auth.schemas import Credentials, Leaving, Message, Registration, Renewal, SignedIn, UserView
from common import tokens
from common.clock import now
from common.database import Sessions, affected, retried
from common.errors import Conflict, Forbidden, Unauthorized
from common.events.auth import UserRegistered
from common.outbox import outbox, purge, say

log = structlog.get_logger(__name__)

PASSWORD = "pwd"  # noqa: S105
"""How a session began (RFC 8176)."""
PURGE_CHUNK = 1000


def register(sessions: Sessions, passwords: Passwords, form: Registration, role: Role = Role.USER) -> User:
    """Open an account and say so. Raises Conflict when its name or address belongs to one already."""
    check_choice(form.password, form.own_words)
    if _is_taken(sessions, form):
        raise _already_registered()
    user = User(
        username=form.username,
        username_key=compared(form.username),
        email=form.email,
        email_key=compared(form.email),
        password_hash=passwords.hash(form.password),
        first_name=form.first_name,
        last_name=form.last_name,
        phone_number=form.phone_number,
        role=role,
    )
    try:
        return _open_account(sessions, user)
    except IntegrityError:
        raise _already_registered() from None


def _already_registered() -> Conflict:
    return Conflict("an account with this username or address exists already", code="already_registered")


def _is_taken(sessions: Sessions, form: Registration) -> bool:
    same = (User.username_key == compared(form.username)) | (User.email_key == compared(form.email))
    with sessions.begin() as session:
        return session.scalar(select(User.id).where(same).limit(1)) is not None


@retried
def _open_account(sessions: Sessions, user: User) -> User:
    with sessions.begin() as session:
        session.add(user)
        session.flush()
        say(
            session,
            UserRegistered(
                user_id=user.id,
                version=user.version,
                username=user.username,
                email=user.email,
                first_name=user.first_name,
                last_name=user.last_name,
            ),
        )
    return user


def create_admin(sessions: Sessions, passwords: Passwords, form: Registration) -> bool:
    """Open an administrator's account; False if that administrator is there already. Raises Conflict."""
    try:
        register(sessions, passwords, form, Role.ADMIN)
    except Conflict:
        if not _is_admin(sessions, form.username):
            raise
        return False
    return True


def _is_admin(sessions: Sessions, username: str) -> bool:
    with sessions.begin() as session:
        return session.scalar(select(User.role).where(User.username_key == compared(username))) == Role.ADMIN


def log_in(sessions: Sessions, passwords: Passwords, grants: Grants, form: Credentials, client: Client) -> SignedIn:
    """Open a session for whoever knows the password. Raises Unauthorized, or Forbidden for an account that is off.

    An unknown name costs the same time as a wrong password.
    """
    user = _find(sessions, form.name)
    if not passwords.matches(form.password, user.password_hash if user else None) or user is None:
        log.info("login_refused", user=user and str(user.id))
        raise Unauthorized("this name and this password do not belong together", code="invalid_credentials")
    renewed = passwords.hash(form.password) if passwords.is_outdated(user.password_hash) else user.password_hash
    opened = _open_session(sessions, grants, user, renewed, client)
    if opened is None:
        return log_in(sessions, passwords, grants, form, client)
    view = UserView.model_validate(opened.user)
    return SignedIn(message="you are signed in", user=view, **asdict(grants.pair(opened)))


def _find(sessions: Sessions, name: str) -> User | None:
    """The account of a username or an address; only an address has an @."""
    key = User.email_key if "@" in name else User.username_key
    with sessions.begin() as session:
        return session.scalar(select(User).where(key == compared(name)))


@retried
def _open_session(sessions: Sessions, grants: Grants, known: User, renewed: str, client: Client) -> Opened | None:
    """Open the session; None if the account got another password since the one that was sent was checked."""
    with sessions.begin() as session:
        user = session.get_one(User, known.id, with_for_update=True)
        if user.password_hash != known.password_hash:
            return None
        if not user.is_active:
            raise Forbidden("this account is disabled", code="account_disabled")
        user.password_hash = renewed
        return grants.open(session, user, client, PASSWORD)


def refresh(sessions: Sessions, grants: Grants, revoked: RevokedSet, form: Renewal, client: Client) -> Pair:
    """A new pair for a refresh token. Raises Unauthorized; one that was used before ends its whole session."""
    went_on = _go_on(sessions, grants, form.refresh_token, client)
    if isinstance(went_on, Opened):
        return grants.pair(went_on)
    log.warning("refresh_reused", user=str(went_on.user_id), session=str(went_on.id))
    revoked.add([went_on.id])
    raise Unauthorized("this refresh token was used before; the session is ended, sign in again", code="refresh_reused")


@retried
def _go_on(sessions: Sessions, grants: Grants, token: str, client: Client) -> Opened | UserSession:
    """Rotate the token, or end the session that a used one belongs to and return that."""
    with sessions.begin() as session:
        family = _family(session, token)
        successor = grants.use(session, family, token, client) or grants.repeat(session, token, client)
        if successor is None:
            end_sessions(session, [family.id], "refresh_reused")
            return family
        user = session.get_one(User, family.user_id)
        if family.revoked_at is not None or not user.is_active:
            raise _invalid_refresh()
        grants.prolong(family, client)
        return Opened(user, family, successor)


def _family(session: Session, token: str) -> UserSession:
    """The session of a refresh token that has not expired, locked first of all. Raises Unauthorized."""
    unexpired = RefreshToken.expires_at > now()
    family = session.scalar(select(RefreshToken.session_id).where(RefreshToken.hash == digest(token), unexpired))
    found = None if family is None else session.get(UserSession, family, with_for_update=True)
    if found is None:
        raise _invalid_refresh()
    return found


def _invalid_refresh() -> Unauthorized:
    return Unauthorized("this refresh token is unknown or expired; sign in again", code="invalid_refresh")


def log_out(sessions: Sessions, revoked: RevokedSet, user: tokens.User, form: Leaving) -> Message:
    """End the session that asks, or all sessions of its user: first in MySQL, then for every service at once."""
    revoked.add(_leave(sessions, user, form))
    return Message(message="you are signed out everywhere" if form.all else "you are signed out")


@retried
def _leave(sessions: Sessions, user: tokens.User, form: Leaving) -> list[UUID]:
    with sessions.begin() as session:
        ended = open_sessions(session, user.id) if form.all else [user.session]
        end_sessions(session, ended, "logout")
    return ended


def tidy(sessions: Sessions) -> None:
    """Drop what is past its keeping time, a chunk at a time: sent events, expired refresh tokens and sessions."""
    while _tidy_chunk(sessions):
        continue


@retried
def _tidy_chunk(sessions: Sessions) -> bool:
    with sessions.begin() as session:
        dropped = [purge(session, outbox)]
        for table in (RefreshToken, UserSession):
            expired = delete(table).where(table.expires_at < now()).with_dialect_options(mysql_limit=PURGE_CHUNK)
            dropped.append(affected(session.execute(expired)))
    return max(dropped) >= PURGE_CHUNK
