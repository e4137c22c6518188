"""The signing keys' room: makes them, keeps them encrypted in MySQL, publishes their public halves, signs with them."""

import asyncio
import base64
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.derivation import derive_key
from auth.models import SigningKey
from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict, Unauthorized, Unavailable
from common.ids import new_id
from common.tokens import ALGORITHM, AUDIENCE, ISSUER, TYPE, Keys

RELOAD_S = 30
"""How often each process looks for keys that another one has made or withdrawn."""
AHEAD = timedelta(minutes=15)
"""A new key is published so long before it signs, an old one so long after its last token is dead."""


@dataclass(frozen=True)
class PublishedKey:
    """A key in force, its private half still sealed."""

    kid: str
    sealed: str
    activates_at: datetime
    public: dict[str, str]


class Signing:
    """The keys of the deployment as this process knows them."""

    def __init__(self, sessions: Sessions, secret: str, access_ttl_s: int) -> None:
        self._sessions = sessions
        self._seal = Fernet(base64.urlsafe_b64encode(derive_key(secret, "stoa signing keys")))
        self._access_ttl = timedelta(seconds=access_ttl_s)
        self._keys: tuple[PublishedKey, ...] = ()
        self._opened: dict[str, Ed25519PrivateKey] = {}

    def reload(self) -> None:
        """Read the keys, the latest first; make the first one if there is none yet."""
        keys = _published(self._sessions)
        if not keys:
            self._make_first()
            keys = _published(self._sessions)
        self._keys = keys

    def keys(self) -> tuple[PublishedKey, ...]:
        """The keys that a token may be signed with."""
        if not self._keys:
            self.reload()
        return self._keys

    def jwks(self) -> dict[str, Any]:
        """The public halves as a JSON Web Key set (RFC 7517, RFC 8037)."""
        return {"keys": [key.public for key in self.keys()]}

    def sign(self, claims: dict[str, Any], life_s: int | None = None) -> str:
        """An access token with these claims, from now on (RFC 9068), for so long or as long as any."""
        keys = self.keys()
        key = next((key for key in keys if key.activates_at <= now()), keys[0])
        moment = int(time.time())
        times = {"iat": moment, "exp": moment + (life_s or int(self._access_ttl.total_seconds()))}
        base = {"iss": ISSUER, "aud": AUDIENCE, "jti": str(new_id())} | times
        return jwt.encode(base | claims, self._open(key), algorithm=ALGORITHM, headers={"kid": key.kid, "typ": TYPE})

    def rotate(self) -> datetime:
        """Publish a new key; when it begins to sign. The present ones are withdrawn once their tokens are dead."""
        activates_at = now() + AHEAD
        try:
            self._publish(activates_at, retires_at=activates_at + self._access_ttl + AHEAD)
        except IntegrityError:
            raise Conflict("another rotation has just taken place") from None
        self.reload()
        return activates_at

    def replace(self) -> datetime:
        """Withdraw every present key and sign with a new one from now on, because one may be in wrong hands.

        Their tokens die as fast as the services look for keys (a minute); refresh tokens go on.
        """
        moment = now()
        try:
            self._publish(activates_at=moment, retires_at=moment)
        except IntegrityError:
            raise Conflict("another rotation has just taken place") from None
        self.reload()
        return moment

    @retried
    def _publish(self, activates_at: datetime, retires_at: datetime) -> None:
        """A new key; those that were in force until now leave at `retires_at`."""
        with self._sessions.begin() as session:
            in_force = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > retires_at)
            session.execute(update(SigningKey).where(in_force).values(retires_at=retires_at))
            latest = session.scalar(select(func.max(SigningKey.generation))) or 0
            self._add(session, latest + 1, activates_at)

    def _make_first(self) -> None:
        try:
            self._add_first()
        except IntegrityError:
            return  # another replica was faster

    @retried
    def _add_first(self) -> None:
        with self._sessions.begin() as session:
            self._add(session, 1, now())

    def _add(self, session: Session, generation: int, activates_at: datetime) -> None:
        key = Ed25519PrivateKey.generate()
        session.add(
            SigningKey(
                kid=str(new_id()),
                generation=generation,
                private_key=self._seal.encrypt(key.private_bytes_raw()).decode(),
                public_key=key.public_key().public_bytes_raw(),
                activates_at=activates_at,
            )
        )

    def _open(self, key: PublishedKey) -> Ed25519PrivateKey:
        """The private half. Raises Unavailable when the deployment's secret is not the one that sealed it."""
        if key.kid not in self._opened:
            try:
                raw = self._seal.decrypt(key.sealed.encode())
            except InvalidToken:
                raise Unavailable(
                    "the signing key cannot be opened: STOA_SECRET_KEY is not the one it was made with",
                    code="signing_unavailable",
                ) from None
            self._opened[key.kid] = Ed25519PrivateKey.from_private_bytes(raw)
        return self._opened[key.kid]


class OwnKeys(Keys):
    """Auth checks tokens by its own keys, without asking itself over HTTP."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key of this id. Raises Unauthorized."""
        for known in await asyncio.to_thread(self._signing.keys):
            if known.kid == kid:
                return jwt.PyJWK(known.public)
        raise Unauthorized("the token is signed with an unknown key; sign in again", code="invalid_token")


def _published(sessions: Sessions) -> tuple[PublishedKey, ...]:
    in_force = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > now())
    with sessions.begin() as session:
        rows = session.scalars(select(SigningKey).where(in_force).order_by(SigningKey.generation.desc())).all()
    return tuple(PublishedKey(row.kid, row.private_key, row.activates_at, _public(row)) for row in rows)


def _public(row: SigningKey) -> dict[str, str]:
    x = base64.urlsafe_b64encode(row.public_key).decode().rstrip("=")
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": row.kid, "alg": ALGORITHM, "use": "sig"}
