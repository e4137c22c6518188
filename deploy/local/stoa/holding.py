"""One at a time: a lock on a file or folder, which falls with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stoa.preflight import NotNow


@contextmanager
def held(path: Path, refusal: str = "") -> Iterator[None]:
    """Hold the lock while the block lasts, as soon as it is free; with a `refusal` at once, or raise NotNow with it."""
    lock = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError:
            raise NotNow(refusal) from None
        yield
    finally:
        os.close(lock)
