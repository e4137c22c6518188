"""The grants' room: what a client holds after signing in, a short access token and a refresh token that is used once.

A session is the family of its refresh tokens. The successor of a refresh token is worked out from it with a key that is
not in the database, so that a lost answer can be given again although only hashes are stored.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from auth.derivation import derive_key
from auth.models import RefreshToken, User, UserSession
from auth.signing import Signing
from common.clock import now
from common.database import affected
from common.events.auth import SessionsRevoked
from common.outbox import say

GRACE = timedelta(seconds=10)
"""How long one repeat from the same client is taken for a lost answer (design: api.md, section 2)."""


@dataclass(frozen=True)
class Client:
    """Where a request comes from, as far as that can be known."""

    ip: str
    user_agent: str

    @property
    def fingerprint(self) -> bytes:
        """The same for requests that look alike."""
        return hashlib.sha256(f"{self.ip}\0{self.user_agent}".encode()).digest()


@dataclass(frozen=True)
class Pair:
    """An access token, the refresh token beside it, and the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "bearer"  # noqa: S105 - RFC 6750's word


@dataclass(frozen=True)
class Opened:
    """A session that has been opened or gone on with: what a pair is made of."""

    user: User
    session: UserSession
    refresh_token: str


class Grants:
    """Gives out pairs and takes refresh tokens back."""

    def __init__(self, signing: Signing, secret: str, access_ttl_s: int, refresh_days: int, session_days: int) -> None:
        self._signing = signing
        self._key = derive_key(secret, "stoa refresh tokens")
        self._access_ttl_s = access_ttl_s
        self._refresh_life = timedelta(days=refresh_days)
        self._session_life = timedelta(days=session_days)

    def open(self, session: Session, user: User, client: Client, amr: str) -> Opened:
        """Begin a session in the caller's transaction; `amr` says how the user proved who they are."""
        token = secrets.token_urlsafe(32)
        begun = UserSession(
            user_id=user.id,
            amr=amr,
            ip=client.ip,
            user_agent=client.user_agent,
            expires_at=now() + min(self._refresh_life, self._session_life),
        )
        session.add(begun)
        session.flush()
        self._keep(session, token, begun)
        return Opened(user, begun, token)

    def use(self, session: Session, family: UserSession, token: str, client: Client) -> str | None:
        """Use a refresh token up, in the caller's transaction: its successor, or None if it was used before."""
        unused = update(RefreshToken).where(RefreshToken.hash == digest(token), RefreshToken.used_at.is_(None))
        used = unused.values(used_at=now(), used_by=client.fingerprint)
        if affected(session.execute(used)) == 0:
            return None
        successor = self._successor(token)
        self._keep(session, successor, family)
        return successor

    def repeat(self, session: Session, token: str, client: Client) -> str | None:
        """The successor once more, if its first answer may have been lost: same client, in time, not yet used."""
        successor = self._successor(token)
        unused = select(RefreshToken.hash).where(RefreshToken.hash == digest(successor), RefreshToken.used_at.is_(None))
        if session.scalar(unused.with_for_update()) is None:
            return None
        repeatable = update(RefreshToken).where(
            RefreshToken.hash == digest(token),
            RefreshToken.used_by == client.fingerprint,
            RefreshToken.used_at > now() - GRACE,
            RefreshToken.repeated_at.is_(None),
        )
        return successor if affected(session.execute(repeatable.values(repeated_at=now()))) else None

    def prolong(self, family: UserSession, client: Client) -> None:
        """Note that a session lives on; its row is locked by the caller."""
        family.last_seen_at = now()
        family.expires_at = self.ends(family)
        family.ip, family.user_agent = client.ip, client.user_agent

    def ends(self, family: UserSession) -> datetime:
        """Until when a session lasts that is gone on with now: none outlives its longest life."""
        return min(now() + self._refresh_life, family.created_at + self._session_life)

    def pair(self, opened: Opened) -> Pair:
        """The two tokens, the access token signed this moment; it does not outlive its session either."""
        left_s = int((opened.session.expires_at - now()).total_seconds())
        life_s = max(1, min(self._access_ttl_s, left_s))
        claims = {
            "sub": str(opened.user.id),
            "sid": str(opened.session.id),
            "username": opened.user.username,
            "role": opened.user.role,
            "amr": opened.session.amr.split(),
        }
        return Pair(self._signing.sign(claims, life_s), opened.refresh_token, life_s)

    def _keep(self, session: Session, token: str, family: UserSession) -> None:
        session.add(RefreshToken(hash=digest(token), session_id=family.id, expires_at=self.ends(family)))

    def _successor(self, token: str) -> str:
        mac = hmac.digest(self._key, token.encode(), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def digest(token: str) -> bytes:
    """What is stored of a refresh token."""
    return hashlib.sha256(token.encode()).digest()


def end_sessions(session: Session, user: User, session_ids: Sequence[UUID], reason: str) -> list[UUID]:
    """End these sessions of a user and say so, in the caller's transaction, which has locked the user's row.

    Returns them; one that is over already keeps its first reason.
    """
    going_on = update(UserSession).where(UserSession.id.in_(session_ids), UserSession.revoked_at.is_(None))
    session.execute(going_on.values(revoked_at=now(), revoked_for=reason))
    user.version += 1
    ended = list(session_ids)
    say(session, SessionsRevoked(user_id=user.id, version=user.version, sessions=ended, reason=reason, at=now()))
    return ended


def end_all_sessions(session: Session) -> int:
    """End everybody's sessions without a word about each; how many."""
    going_on = update(UserSession).where(UserSession.revoked_at.is_(None))
    ended = going_on.values(revoked_at=now(), revoked_for="restored").execution_options(synchronize_session=False)
    return affected(session.execute(ended))


def open_sessions(session: Session, user_id: UUID) -> list[UUID]:
    """A user's sessions that have not been ended, locked until the caller commits."""
    open_ones = select(UserSession.id).where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None))
    return list(session.scalars(open_ones.with_for_update()))
