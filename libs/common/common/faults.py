"""The faults' room: named points at which a test lets a process die; inert unless STOA_ENV is `test`."""

import os

CRASH_STATUS = 137
"""Exit status as after SIGKILL (128 + 9)."""


def fault(point: str) -> None:
    """Die here and now, without any clean-up, when a test has armed this point with STOA_FAULT."""
    if os.environ.get("STOA_FAULT") == point and os.environ.get("STOA_ENV") == "test":
        os._exit(CRASH_STATUS)
