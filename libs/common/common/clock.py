"""The clock's room: times are aware, in UTC, to the microsecond."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)
