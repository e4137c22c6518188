"""Which ports are free, and blocks of them that no two callers get at once."""

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

FIRST, LAST, STEP = 20000, 32700, 100  # below 32768, where the kernel hands out ports of its own

_held: list[int] = []  # open lock files; the locks end with the process


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port_block(size: int) -> int:
    """Give the first port of a free block, kept for this process until it ends; at most 100 ports."""
    if not 1 <= size <= STEP:
        raise ValueError(f"a block has 1 to {STEP} ports")
    for base in range(FIRST, LAST - STEP, STEP):
        if _lock(base):
            if all(is_free(port) for port in range(base, base + size)):
                return base
            os.close(_held.pop())
    raise OSError(f"no block of {size} free ports between {FIRST} and {LAST}")


def _lock(base: int) -> bool:
    """Take the block's lock file; a file of another user is locked as well, through a read-only handle."""
    path = Path(tempfile.gettempdir()) / f"stoa-ports-{base}.lock"
    with suppress(PermissionError):
        path.touch(mode=0o644, exist_ok=True)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return False
    _held.append(handle)
    return True
