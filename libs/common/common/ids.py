"""The identifiers' room: UUID version 7 (RFC 9562), ordered by the time of their making."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

TIMED = 7
"""The version of UUID that begins with the milliseconds since 1970 (RFC 9562, section 5.7)."""


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid7()


def made_at(identifier: UUID) -> datetime | None:
    """When a UUIDv7 was made, to the millisecond; None for any other UUID."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC) if identifier.version == TIMED else None


def parse_id(text: str) -> UUID | None:
    """The UUID that a path or token carries, or None for what cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        return None
