"""Runs a server for as long as a block of code needs it, and leaves nothing behind."""

import atexit
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

from stoa.servers.ports import is_free
from stoa.servers.server import Server, ServerFailed, tail

STOP_SECONDS = 20.0  # RabbitMQ takes about 6 s to close its queues
_PR_SET_PDEATHSIG = 1  # from linux/prctl.h

S = TypeVar("S", bound=Server)

_started: dict[int, tuple[Server, "subprocess.Popen[bytes]"]] = {}


@contextmanager
def running(server: S, limit: float = 90.0, patience: float = STOP_SECONDS) -> Iterator[S]:
    """Prepare and start the server, wait at most `limit` seconds until it is ready, stop it at the end.

    One that has not ended `patience` seconds after it was asked to is killed.
    """
    process = _start(server)
    try:
        _wait(server, process, limit)
        yield server
    finally:
        _stop(server, process, patience)


def _start(server: Server) -> "subprocess.Popen[bytes]":
    _refuse_taken_ports(server)
    server.prepare()
    _stop_everything_when_told()
    server.log.parent.mkdir(parents=True, exist_ok=True)
    with server.log.open("ab") as log:
        process = subprocess.Popen(
            server.command,
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
    _started[process.pid] = (server, process)
    return process


def _refuse_taken_ports(server: Server) -> None:
    """Otherwise whoever holds the port might be taken for the server."""
    for port in server.ports:
        if not is_free(port):
            raise ServerFailed(f"{server.name} cannot start, because port {port} is taken.")


def _wait(server: Server, process: "subprocess.Popen[bytes]", limit: float) -> None:
    deadline = time.monotonic() + limit
    while not server.ready():
        if process.poll() is not None:
            raise ServerFailed(f"{server.name} ended at once with code {process.returncode}.", tail(server.log))
        if time.monotonic() > deadline:
            raise ServerFailed(f"{server.name} was not ready within {limit:.0f} s.", tail(server.log))
        time.sleep(0.05)


def _stop(server: Server, process: "subprocess.Popen[bytes]", patience: float = STOP_SECONDS) -> None:
    if _started.pop(process.pid, None) is None:
        return
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    server.clean_up()


def _stop_everything() -> None:
    for _, process in _started.values():
        process.terminate()
    for server, process in list(_started.values()):
        _stop(server, process)


def _stop_everything_when_told() -> None:
    """Also stop the servers when the process exits without leaving the block, or is asked to end."""
    atexit.unregister(_stop_everything)
    atexit.register(_stop_everything)
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop_and_end)


def _stop_and_end(number: int, _frame: FrameType | None) -> None:
    _stop_everything()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _die_with_parent() -> Callable[[], None] | None:
    """Let the kernel end the server when we are killed outright; the kernel watches the starting thread,
    so it may be used from the main one only."""
    if threading.current_thread() is not threading.main_thread():
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
