"""The tokens' room: checks who is knocking. Only auth signs; every service verifies by auth's published keys."""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import structlog

from common.errors import Unauthorized, Unavailable
from common.http import AsyncSister
from common.revocation import Revocations

log = structlog.get_logger(__name__)

ISSUER = "stoa"
AUDIENCE = "stoa"
TYPE = "at+jwt"
"""Access token type (RFC 9068)."""
ALGORITHM = "EdDSA"
REQUIRED = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "role", "amr"]
LEEWAY_S = 5
LATEST = 2**53
"""No token of auth's lives until then; a number this large, or a float, would be remembered for ever."""
MOST_BYTES = 4096
JWKS_PATH = "/api/auth/jwks.json"
JWKS_FRESH_S = 60
REFETCH_S = 30
"""Keys are looked up anew each minute, and for an unknown key at most once in 30 s (design: reliability 3.9)."""
FIRST_REFETCH_S = 1
JWKS_STALE_S = 24 * 3600
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class User:
    """Who a verified token speaks for."""

    id: UUID
    username: str
    role: str
    session: UUID
    amr: tuple[str, ...]

    @property
    def is_admin(self) -> bool:
        """Admin rights need a session that began with the password."""
        return self.role == "admin" and "pwd" in self.amr


class Keys:
    """Auth's public signing keys, remembered; stale ones are better than none while auth is away."""

    def __init__(self, auth: AsyncSister) -> None:
        self._auth = auth
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = -JWKS_STALE_S * 2.0
        self._tried = -REFETCH_S * 2.0
        self._fetching = asyncio.Lock()

    async def warm(self) -> None:
        """Fetch the keys before the first request needs them; without auth the first request tries again."""
        async with self._fetching:
            await self._fetch()

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key of this id. Raises Unauthorized for an unknown one, Unavailable when no keys can be had."""
        if self._should_fetch(kid) or (kid not in self._keys and self._fetching.locked()):
            async with self._fetching:
                if self._should_fetch(kid):
                    await self._fetch()
        if not self._keys:
            raise Unavailable("the signing keys cannot be had; try again shortly", code="auth_unavailable")
        if kid not in self._keys:
            raise Unauthorized("the token is signed with an unknown key; sign in again", code="invalid_token")
        return self._keys[kid]

    def _should_fetch(self, kid: str) -> bool:
        moment = time.monotonic()
        wanted = kid not in self._keys or moment - self._fetched > JWKS_FRESH_S
        return wanted and moment - self._tried > (REFETCH_S if self._keys else FIRST_REFETCH_S)

    async def _fetch(self) -> None:
        moment = self._tried = time.monotonic()
        try:
            status, body = await self._auth.get(JWKS_PATH)
            if status != 200:
                raise ValueError(f"status {status}")
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in body["keys"]}
            self._fetched = moment
        except (Unavailable, LookupError, TypeError, ValueError, jwt.PyJWTError) as error:
            log.warning("keys_not_fetched", error=repr(error))
            if moment - self._fetched > JWKS_STALE_S:
                self._keys = {}


class Tokens:
    """Verifies access tokens: signature, claims, and that the session has not been ended."""

    def __init__(self, keys: Keys, revocations: Revocations) -> None:
        self._keys = keys
        self._revocations = revocations
        self._verified: dict[bytes, tuple[float, str, User]] = {}

    async def user(self, token: str) -> User:
        """Who the token speaks for. Raises Unauthorized, or Unavailable when that cannot be found out."""
        user = await self._verify(token)
        if await self._revocations.is_revoked(user.session):
            raise Unauthorized("this session has ended; sign in again", code="session_ended")
        return user

    async def _verify(self, token: str) -> User:
        if len(token) > MOST_BYTES:
            raise Unauthorized("the token is too long to be one of ours", code="invalid_token")
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._verified.get(digest)
        if known is not None and known[0] > time.time():
            await self._keys.key(known[1])  # a key that auth has withdrawn takes its tokens along
            return known[2]
        kid, claims = await self._decode(token)
        user = _user(claims)
        if len(self._verified) >= MOST_REMEMBERED:
            self._verified.clear()
        self._verified[digest] = (float(claims["exp"]), kid, user)
        return user

    async def _decode(self, token: str) -> tuple[str, dict[str, Any]]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or "crit" in header:
                raise Unauthorized("this is not an access token of ours", code="invalid_token")
            kid = str(header.get("kid"))
            key = await self._keys.key(kid)
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_S,
                options={"require": REQUIRED},
            )
            if not isinstance(claims["exp"], int) or claims["exp"] > LATEST:
                raise ValueError("a time that auth would not give")
            return kid, claims
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired; refresh it or sign in again", code="token_expired") from None
        except (jwt.PyJWTError, ValueError, ArithmeticError, RecursionError):
            raise Unauthorized("the token is not valid; sign in again", code="invalid_token") from None


def _user(claims: dict[str, Any]) -> User:
    """The user in verified claims, each of the type that auth gives it. Raises Unauthorized."""
    amr: list[Any] = claims["amr"] if isinstance(claims["amr"], list) else [None]
    words = (claims["sub"], claims["sid"], claims["role"], claims.get("username", ""), *amr)
    try:
        if not all(isinstance(word, str) for word in words):
            raise ValueError("a claim of the wrong type")
        return User(
            id=UUID(claims["sub"]),
            username=claims.get("username", ""),
            role=claims["role"],
            session=UUID(claims["sid"]),
            amr=tuple(amr),
        )
    except ValueError:
        raise Unauthorized("the token is not valid; sign in again", code="invalid_token") from None
