"""The service tokens' room: how a service shows a sister who is calling, and how the sister checks it.

Each service signs with an Ed25519 key of its own and knows only the public keys of its sisters, so that none can pass
for another. A token names the called service as its audience and lives for a minute (design: reliability D16).
"""

import base64
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from common.errors import Unauthorized
from common.ids import new_id

TYPE = "service+jwt"
"""Not the type of an access token: neither passes for the other (RFC 8725, section 3.11)."""
ALGORITHM = "EdDSA"
REQUIRED = ["iss", "aud", "iat", "exp", "jti"]
LIFE_S = 60
RENEW_S = 20
"""A token is signed anew when it has less than this left, so that it outlives the call that takes it along."""
LEEWAY_S = 5
MOST_BYTES = 2048
MOST_REMEMBERED = 1000


def new_service_key() -> str:
    """A private key as `STOA_SERVICE_KEY` takes it: 32 bytes in base64url."""
    return _text(Ed25519PrivateKey.generate().private_bytes_raw())


def public_half(service_key: str) -> str:
    """What the sisters are given of it."""
    return _text(_private(service_key).public_key().public_bytes_raw())


class Badge:
    """Signs for one service. Without a key its calls carry no token, and every sister refuses them."""

    def __init__(self, service: str, service_key: str = "") -> None:
        self._service = service
        self._key = _private(service_key) if service_key else None
        self._held: dict[str, tuple[float, str]] = {}

    def headers(self, sister: str) -> dict[str, str]:
        """The Authorization header of a call to this sister."""
        if self._key is None:
            return {}
        renew_at, token = self._held.get(sister, (0.0, ""))
        if time.time() >= renew_at:
            token = self.sign(sister)
            self._held[sister] = (time.time() + LIFE_S - RENEW_S, token)
        return {"Authorization": f"Bearer {token}"}

    def sign(self, sister: str, **changed: Any) -> str:
        """A token for this sister; tests change its claims."""
        assert self._key is not None  # noqa: S101 - asked for by `headers` only with a key
        moment = int(time.time())
        claims = {"iss": self._service, "aud": sister, "iat": moment, "exp": moment + LIFE_S, "jti": str(new_id())}
        headers = {"kid": self._service, "typ": TYPE}
        return jwt.encode(claims | changed, self._key, algorithm=ALGORITHM, headers=headers)


class Sisters:
    """Checks service tokens by the public keys of `STOA_SISTER_KEYS`: `name=key`, with spaces between them."""

    def __init__(self, service: str, sister_keys: str) -> None:
        self._service = service
        pairs = (word.partition("=") for word in sister_keys.split())
        self._keys = {name: Ed25519PublicKey.from_public_bytes(_bytes(key)) for name, _, key in pairs}
        self._verified: dict[str, tuple[float, str]] = {}

    def caller(self, token: str) -> str:
        """The name of the service that calls. Raises Unauthorized for anything but its good, present token."""
        expires_at, name = self._verified.get(token, (0.0, ""))
        if expires_at > time.time():
            return name
        claims = self._decode(token)
        if len(self._verified) >= MOST_REMEMBERED:
            self._verified.clear()
        self._verified[token] = (float(claims["exp"]), claims["iss"])
        return str(claims["iss"])

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            if len(token) > MOST_BYTES:
                raise ValueError("too long")
            header = jwt.get_unverified_header(token)
            name = str(header.get("kid"))
            if header.get("typ") != TYPE or "crit" in header:
                raise ValueError("another kind of token")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._keys[name],
                algorithms=[ALGORITHM],
                audience=self._service,
                issuer=name,
                leeway=LEEWAY_S,
                options={"require": REQUIRED, "strict_aud": True},
            )
            if not isinstance(claims["exp"], int):
                raise ValueError("a time of the wrong type")
            return claims
        except (jwt.PyJWTError, LookupError, ValueError, ArithmeticError, RecursionError):
            raise Unauthorized("this is for sister services, with a token of their own", code="invalid_token") from None


def _private(service_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_bytes(service_key))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
