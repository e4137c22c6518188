"""The workbooks' room: has a workbook turned into lines of cells by a process that no file can make a danger."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore

import orjson
import structlog

from catalog.marking import Refused
from common.errors import Invalid, Problem, TooLarge, Unavailable

log = structlog.get_logger(__name__)

AT_ONCE = BoundedSemaphore(2)
"""Workbooks read at the same time by one web process; each may take a gigabyte."""
PATIENCE_S = 5
WALL_S = 40
"""How long a request waits for its turn and for the process; the gateway gives up after 60 seconds."""
ENDED_BY_LIMITS = {-signal.SIGABRT, -signal.SIGKILL, -signal.SIGXCPU, -signal.SIGSEGV}
NEEDED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")
"""What the process is told of our environment: no secret is within its reach."""


def convert(source: Path, target: Path) -> None:
    """Write the cells of the first sheet into `target`. Raises Invalid, TooLarge, Unavailable."""
    if not AT_ONCE.acquire(timeout=PATIENCE_S):
        raise Unavailable("too many workbooks are being read; try again later", retry_after_s=PATIENCE_S)
    try:
        code, said, complained = _run([sys.executable, "-m", "catalog.sheets", str(source), str(target)])
    finally:
        AT_ONCE.release()
    if code != 0:
        raise _refusal(code, said, complained)


def _run(command: list[str]) -> tuple[int, bytes, bytes]:
    """Exit code, output and complaints; the process is killed when its time is over."""
    environment = {name: os.environ[name] for name in NEEDED if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - nothing of the command comes from outside
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WALL_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL, b"", b""
    return done.returncode, done.stdout, done.stderr


def _refusal(code: int, said: bytes, complained: bytes) -> Problem:
    if code == Refused.EXIT:
        refusal = orjson.loads(said)
        kind = TooLarge if refusal["code"] == "too_large_unpacked" else Invalid
        return kind(refusal["detail"], code=refusal["code"])
    log.warning("workbook_unreadable", code=code, complaint=complained[-1000:].decode(errors="replace"))
    if code in ENDED_BY_LIMITS:
        return TooLarge("the workbook takes too much memory or time to read; split it", code="too_large_unpacked")
    return Invalid("this is not a workbook that can be read", code="invalid_workbook")
