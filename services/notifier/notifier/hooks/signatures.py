"""The signatures' room: secrets of endpoints, how they are kept, and how they sign (Standard Webhooks 1.0)."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.errors import Unavailable

PREFIX = "whsec_"
SECRET_BYTES = 32
"""The specification asks for 24 to 64."""


def new_secret() -> str:
    """A fresh secret as integrators are shown it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(known: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret, with spaces between them."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_hmac(secret, signed)}" for secret in known)


def _hmac(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, signed, sha256)).decode()


class Seal:
    """Keeps secrets readable to whoever has the deployment's key, and to nobody who has the database only."""

    def __init__(self, key: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"stoa webhook secrets").derive(key.encode())
        self._box = Fernet(base64.urlsafe_b64encode(derived))

    def close(self, secret: str) -> str:
        """The secret as it may be stored."""
        return self._box.encrypt(secret.encode()).decode()

    def can_open(self, sealed: str) -> bool:
        """Whether it was sealed with this key."""
        try:
            self.open(sealed)
        except Unavailable:
            return False
        return True

    def open(self, sealed: str) -> str:
        """The secret. Raises Unavailable when it was sealed with another key."""
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Unavailable(
                "the secret cannot be opened: STOA_WEBHOOK_KEY is not the one it was made with; rotate the secret",
                code="secret_unavailable",
            ) from None
