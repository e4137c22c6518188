"""Compact JSON Web Signatures made by hand, for libraries refuse to make what a forger would send."""

import base64
import json
from collections.abc import Callable
from typing import Any

Sign = Callable[[bytes], bytes]


def text(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def raw(text: str) -> bytes:
    """The bytes of such a text."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jws(header: dict[str, Any], claims: dict[str, Any] | bytes, sign: Sign) -> str:
    """Header, claims and signature as a token."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{text(json.dumps(header).encode())}.{text(payload)}"
    return f"{signed}.{text(sign(signed.encode()))}"
