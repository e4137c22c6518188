"""What each process of the stack is doing, for people and for programs."""

import time
from dataclasses import dataclass

from rich.table import Table

from stoa.credentials import read_credentials
from stoa.marks import group_memory_mb
from stoa.servers import Server
from stoa.settings import Settings
from stoa.stack import Stack
from stoa.supervision import State, Supervisor


@dataclass(frozen=True)
class Line:
    """One process."""

    name: str
    state: str
    ready: bool
    pid: int | None
    uptime_s: int
    memory_mb: int


def read_status(settings: Settings) -> list[Line]:
    """One line per process, in the order of their start; all stopped if nothing runs."""
    stack = Stack(settings, read_credentials(settings))
    supervisor = Supervisor(settings.folder)
    states = supervisor.states() if supervisor.alive() else {}
    return [_line(process, states.get(process.name)) for process in stack.everything()]


def table(lines: list[Line]) -> Table:
    """The same for people, with the memory of all at the foot."""
    result = Table("process", "state", "ready", "pid", "up", "memory", box=None, padding=(0, 2))
    for line in lines:
        colour = "green" if line.ready else "red"
        up = f"{line.uptime_s // 60}:{line.uptime_s % 60:02}" if line.pid else ""
        ready = f"[{colour}]{'yes' if line.ready else 'no'}[/{colour}]"
        result.add_row(line.name, line.state, ready, str(line.pid or ""), up, f"{line.memory_mb} MB")
    result.add_row("all", "", "", "", "", f"{sum(line.memory_mb for line in lines)} MB", style="bold")
    return result


def _line(process: Server, state: State | None) -> Line:
    if state is None or not state.pid:
        return Line(process.name, state.word.lower() if state else "stopped", False, None, 0, 0)
    uptime = max(0, int(time.time()) - state.started)
    memory = round(group_memory_mb(state.pid))
    return Line(process.name, state.word.lower(), process.ready(), state.pid, uptime, memory)
