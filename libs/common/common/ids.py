"""The identifiers' room: UUID version 7 (RFC 9562), ordered by the time of their making."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid7()


def parse_id(text: str) -> UUID | None:
    """The UUID that a path or token carries, or None for what cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        return None
