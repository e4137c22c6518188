"""The tickets' room: a word that stands for a token, once and for half a minute, where a socket can carry no header.

Redis keeps the token sealed with a key that only the ticket gives, under a name that the ticket gives too: whoever
reads Redis has neither. Taking one out is one step (GETDEL), so it works at any replica, and at one only.
"""

import hashlib
import secrets
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.asyncio import Redis
from redis.exceptions import RedisError

from common.errors import Unauthorized, Unavailable

LIFE_S = 30
"""Long enough to open a socket (design: public surface, section 7)."""
BYTES = 32
LONGEST = 64
NONCE = bytes(12)
"""Each key seals one token only, so the nonce need not differ (NIST SP 800-38D, section 8)."""


class Tickets:
    """Gives tickets out and takes them back; all processes share them."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def give(self, token: str) -> str:
        """A ticket for a token that is good. Raises Unavailable."""
        ticket = secrets.token_urlsafe(BYTES)
        sealed = AESGCM(_key(ticket)).encrypt(NONCE, token.encode(), None)
        try:
            await self._redis.set(_name(ticket), sealed, ex=LIFE_S)
        except (RedisError, OSError) as error:
            raise _away() from error
        return ticket

    async def take(self, ticket: str) -> str:
        """The token that it stands for, which nobody gets again. Raises Unauthorized or Unavailable."""
        if len(ticket) > LONGEST:
            raise _no_good()
        try:
            sealed = cast(bytes | None, await self._redis.getdel(_name(ticket)))
        except (RedisError, OSError) as error:
            raise _away() from error
        if sealed is None:
            raise _no_good()
        try:
            return AESGCM(_key(ticket)).decrypt(NONCE, sealed, None).decode()
        except (InvalidTag, ValueError) as error:
            raise _no_good() from error


def _name(ticket: str) -> str:
    return f"realtime:ticket:{_digest('name', ticket).hex()}"


def _key(ticket: str) -> bytes:
    return _digest("key", ticket)


def _digest(purpose: str, ticket: str) -> bytes:
    return hashlib.sha256(f"{purpose}:{ticket}".encode("utf-8", "replace")).digest()


def _no_good() -> Unauthorized:
    return Unauthorized("the ticket is unknown, used or over; ask for a new one", code="invalid_ticket")


def _away() -> Unavailable:
    return Unavailable("tickets cannot be given or taken now; try again shortly", code="tickets_unavailable")
