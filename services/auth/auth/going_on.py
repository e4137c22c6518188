"""Going on with a session: a new pair for a refresh token, which is used once."""

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from auth.grants import Client, Grants, Opened, Pair, digest, end_sessions
from auth.models import RefreshToken, User, UserSession
from auth.revocations import RevokedSet
from auth.schemas import Renewal
from common.clock import now
from common.database import Sessions, retried
from common.errors import Unauthorized

log = structlog.get_logger(__name__)


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
        user = session.get_one(User, family.user_id)
        successor = grants.use(session, family, token, client) or grants.repeat(session, token, client)
        if successor is None:
            _end(session, user, family)
            return family
        if family.revoked_at is not None or not user.is_active or grants.ends(family) <= now():
            raise _invalid_refresh()
        grants.prolong(family, client)
        return Opened(user, family, successor)


def _end(session: Session, user: User, family: UserSession) -> None:
    """End the family of a token that came twice; one that is over already is left alone."""
    if family.revoked_at is None:
        session.refresh(user, with_for_update=True)
        end_sessions(session, user, [family.id], "refresh_reused")


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
