"""The supervisor of the local stack: its configuration, and what we ask of it while it runs."""

import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from stoa.marks import MARK
from stoa.servers import Server, ServerFailed
from stoa.servers.server import base_environment, drop_socket, socket_path, tail, write

FILES_WANTED = 65536
STOP_SECONDS = 30
HEADER = """\
[supervisord]
logfile = {log}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = {folder}/supervisord.pid
childlogdir = {log}
umask = 077
{user}
[unix_http_server]
file = {socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{name}]
command = {command}
directory = {directory}
environment = {environment}
autostart = false
autorestart = true
startsecs = 1
startretries = 1000
stopwaitsecs = {stop_seconds}
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = {megabytes}MB
stdout_logfile_backups = 3
"""


@dataclass(frozen=True)
class State:
    """One program as the supervisor sees it."""

    name: str
    word: str
    pid: int
    started: int
    ended: int


class Supervisor:
    """One supervisord, with its socket in the run folder."""

    def __init__(self, folder: Path, log_megabytes: int = 10) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.configuration = folder / "supervisord.conf"
        self.socket = socket_path(folder, "supervisor.sock")
        self._megabytes = log_megabytes

    def alive(self) -> bool:
        """Whether it answers."""
        try:
            self._ask("getSupervisorVersion")
        except OSError:
            return False
        except Fault:
            return True  # it is about to shut down
        return True

    def log_of(self, name: str) -> Path:
        """The file that holds what a program says."""
        return self.log / f"{name}.log"

    def configure(self, programs: Iterable[Server]) -> None:
        """Write the configuration; a running supervisor takes it over and stops what has changed or gone."""
        self.describe(programs)
        if self.alive():
            self._take_over()

    def describe(self, programs: Iterable[Server]) -> None:
        """Write the configuration, and leave everything as it runs."""
        self.log.mkdir(parents=True, exist_ok=True)
        user = "user = root\n" if os.getuid() == 0 else ""
        header = HEADER.format(folder=self.folder, log=self.log, socket=self.socket, user=user)
        write(self.configuration, header + "".join(map(self._section, programs)))

    def launch(self, limit_s: float = 15.0) -> None:
        """Start it as a daemon and wait until it answers."""
        _raise_file_limit()
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.configuration)]
        environment = base_environment(self.folder) | {MARK: str(self.folder)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("The supervisor does not start.", (done.stdout + done.stderr).strip())
        deadline = time.monotonic() + limit_s
        while not self.alive():
            if time.monotonic() > deadline:
                raise ServerFailed("The supervisor does not answer.", tail(self.log / "supervisord.log"))
            time.sleep(0.05)

    def start(self, name: str) -> None:
        """Start a program unless it runs."""
        with _allowing(Faults.ALREADY_STARTED):
            self._ask("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Ask a program to end, without waiting."""
        with _allowing(Faults.NOT_RUNNING, Faults.BAD_NAME):
            self._ask("stopProcess", name, False)

    def renew(self, name: str) -> None:
        """Let a stopped program run as the configuration says now, when it is started next."""
        self._ask("reloadConfig")
        self._ask("removeProcessGroup", name)
        self._ask("addProcessGroup", name)

    def states(self) -> dict[str, State]:
        """Every program it knows."""
        infos: list[dict[str, Any]] = self._ask("getAllProcessInfo")
        return {
            info["name"]: State(info["name"], info["statename"], info["pid"], info["start"], info["stop"])
            for info in infos
        }

    def shut_down(self) -> None:
        """End it and whatever still runs under it."""
        with suppress(OSError, Fault):
            self._ask("shutdown")
        deadline = time.monotonic() + STOP_SECONDS + 5
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        drop_socket(self.socket)

    def _take_over(self) -> None:
        added, changed, removed = self._ask("reloadConfig")[0]
        for name in (*changed, *removed):
            self._ask("stopProcessGroup", name)
            self._ask("removeProcessGroup", name)
        for name in (*added, *changed):
            self._ask("addProcessGroup", name)

    def _ask(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _section(self, program: Server) -> str:
        return PROGRAM.format(
            name=program.name,
            command=_escaped(shlex.join(program.command)),
            directory=_escaped(str(getattr(program, "directory", self.folder))),
            environment=_variables(program.environment | {MARK: str(self.folder)}),
            stop_seconds=STOP_SECONDS,
            log=_escaped(str(self.log_of(program.name))),
            megabytes=self._megabytes,
        )


@contextmanager
def _allowing(*numbers: int) -> Iterator[None]:
    """Pass over the supervisor's faults of these numbers."""
    try:
        yield
    except Fault as fault:
        if fault.faultCode not in numbers:
            raise


def _variables(environment: Mapping[str, str]) -> str:
    return ",".join(f"{name}={_quoted(name, value)}" for name, value in sorted(environment.items()))


def _quoted(name: str, value: str) -> str:
    """A value in the supervisor's syntax, which knows no escaping inside quotes."""
    if "\n" in value or re.search(r"\s[;#]", value) or ('"' in value and "'" in value):
        raise ValueError(f"{name} has a character that the supervisor cannot pass on (a line break, both quotes, ' ;')")
    quote = "'" if '"' in value else '"'
    return f"{quote}{_escaped(value)}{quote}"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _raise_file_limit() -> None:
    """Allow the stack as many open files as the system lets us: each socket of realtime is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if most == resource.RLIM_INFINITY else min(FILES_WANTED, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
