"""The waiting bench: polls for what happens elsewhere, with an end."""

import time
from collections.abc import Callable
from typing import TypeVar

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
