"""The waiting bench: polls for what happens elsewhere, with an end."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import text

from common.database import Sessions

T = TypeVar("T")


def eventually(look: Callable[[], T], seconds: float = 20.0) -> T:
    """What `look` returns once that is true-ish; an AssertionError in `look` counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = look()
            if seen or time.monotonic() > deadline:
                assert seen, f"still {seen!r} after {seconds} s"
                return seen
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def somebody_waits(sessions: Sessions) -> bool:
    """Whether a transaction on this server waits for a row lock."""
    with sessions.begin() as session:
        status: str = session.execute(text("SHOW ENGINE INNODB STATUS")).one()[2]
        return "LOCK WAIT" in status.rpartition("\nTRANSACTIONS\n")[2]  # before it stands the latest deadlock
