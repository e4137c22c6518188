"""Which processes are ours: each carries the stack's run folder in its environment, wherever it hides."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MARK = "STOA_STACK"
LISTENING = "0A"  # the state's number in /proc/net/tcp
PROC = Path("/proc")


def marked(folder: Path) -> list[int]:
    """All living processes of the stack that runs in this folder, orphans and daemons included."""
    line = f"{MARK}={folder}".encode()
    return [pid for pid in _pids() if line in _read(PROC / str(pid) / "environ").split(b"\0") and _lives(pid)]


def end(find: Callable[[], list[int]], patience_s: float = 10.0) -> int:
    """Ask the processes to end, then make them; say how many there were."""
    found = find()
    _signal(found, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while find() and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(find(), signal.SIGKILL)
    while find() and time.monotonic() < deadline + patience_s:
        time.sleep(0.05)
    return len(found)


def holder(port: int) -> int | None:
    """The process that listens on the port, if we may see it."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for pid in _pids() if wanted else ():
        if not wanted.isdisjoint(_opened(pid)):
            return pid
    return None


def _opened(pid: int) -> Iterator[str]:
    """What a process has open; one file that it closes meanwhile does not hide the others."""
    handles: list[Path] = []
    with suppress(OSError):
        handles = list((PROC / str(pid) / "fd").iterdir())
    for handle in handles:
        with suppress(OSError):
            yield os.readlink(handle)


def name_of(pid: int) -> str:
    """What the process is called."""
    return _read(PROC / str(pid) / "comm").decode(errors="replace").strip() or "a process"


def group_memory_mb(leader: int) -> float:
    """Memory of the leader's process group in MB; shared pages are counted by each one's share."""
    total = sum(_proportional_kb(pid) for pid in _pids() if _group_of(pid) == leader)
    return total / 1024


def group_cpu_s(leader: int) -> float:
    """Processor time that the leader's process group has used, in seconds, with children that have ended."""
    ticks = sum(_ticks(pid) for pid in _pids() if _group_of(pid) == leader)
    return ticks / os.sysconf("SC_CLK_TCK")


def _pids() -> Iterable[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _lives(pid: int) -> bool:
    return b") Z " not in _read(PROC / str(pid) / "stat")


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _listening_inodes(port: int) -> set[str]:
    rows = [line.split() for table in ("tcp", "tcp6") for line in _read(PROC / "net" / table).decode().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == LISTENING and int(row[1].rsplit(":", 1)[1], 16) == port}


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _proportional_kb(pid: int) -> int:
    for line in _read(PROC / str(pid) / "smaps_rollup").decode().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _ticks(pid: int) -> int:
    _, _, fields = _read(PROC / str(pid) / "stat").rpartition(b") ")
    return sum(map(int, fields.split()[11:15]))  # utime, stime, cutime, cstime: proc(5), counted from the state on
