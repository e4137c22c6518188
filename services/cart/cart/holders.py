"""The holders' room: whose cart it is, and what a guest's token is and names."""

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID, uuid5

from common.errors import NotFound

TOKEN_BYTES = 16
"""128 random bits (design: api, section 4)."""
TOKEN = re.compile("[A-Za-z0-9_-]{22}")
STRONG_KEY = 22
"""Characters of an Idempotency-Key that is as hard to guess as a token, which has as many."""
KEYS_PURPOSE = b"a guest's first add\0"
USERS_CARTS = UUID("481684b7-8f48-47af-8eb6-e23a820ab7d4")
GUESTS_CARTS = UUID("b5f2c754-18bf-4503-aac3-33803da98691")
"""The namespaces (RFC 9562, section 5.5) in which the id of a cart is derived from the user's id or the guest's token.

The id of a guest's cart is all that is kept of its token: nobody gets from one to the other.
"""


@dataclass(frozen=True)
class Holder:
    """Whose cart it is. The cart's id follows from it: two first adds meet in one row, and an id is there before it."""

    cart_id: UUID
    user_id: UUID | None = None
    must_exist: bool = False
    """Whether it is a fault that the cart is not there; who holds a token has been given it with a cart."""
    new_token: str | None = field(default=None, repr=False)
    """The token of a cart that is made by the first thing put in."""

    @classmethod
    def user(cls, user_id: UUID) -> Self:
        """Somebody who has signed in."""
        return cls(uuid5(USERS_CARTS, user_id.hex), user_id)

    @classmethod
    def guest(cls, token: str) -> Self:
        """Whoever has been given this token. Raises NotFound when it cannot be one."""
        if not TOKEN.fullmatch(token):
            raise unknown_cart()
        return cls(uuid5(GUESTS_CARTS, token), must_exist=True)

    @classmethod
    def newcomer(cls, key: str | None) -> Self:
        """A guest who is given a cart now.

        A strong Idempotency-Key leads to the same token each time: so a repeat finds the first one's cart, and is
        answered the token again although it is not kept. A weak key others may come upon too: it names no cart.
        """
        token = _encode(_digest(key) if key and len(key) >= STRONG_KEY else secrets.token_bytes(TOKEN_BYTES))
        return cls(uuid5(GUESTS_CARTS, token), new_token=token)


NOBODY = Holder(UUID(int=0))
"""A guest without a token: sees an empty cart, which is none."""


def unknown_cart() -> NotFound:
    """The refusal of a token that names no cart (any more)."""
    return NotFound("there is no cart with this token, or no longer", code="unknown_cart")


def _digest(key: str) -> bytes:
    return hashlib.sha256(KEYS_PURPOSE + key.encode()).digest()[:TOKEN_BYTES]


def _encode(token: bytes) -> str:
    return urlsafe_b64encode(token).decode().rstrip("=")
