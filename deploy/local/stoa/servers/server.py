"""What every native server can be asked, whoever runs it: the supervisor or a test."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

SCHEMAS = ("auth", "catalog", "cart", "orders", "notifier", "realtime")

NICENESS = 5
"""Such a process gets about a quarter of what another one gets beside it. With 10 it is a tenth, and a worker takes
minutes to start on a busy machine."""
YIELD = f'{{ echo {NICENESS} >/proc/self/autogroup; }} 2>/dev/null; exec nice -n {NICENESS} "$@"'

LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes; servers append a little to theirs


class ServerFailed(Exception):
    """A server that cannot be started; the text is one sentence, `tail` what its log said last."""

    def __init__(self, sentence: str, tail: str = "") -> None:
        super().__init__(f"{sentence}\n{tail}" if tail else sentence)
        self.sentence = sentence
        self.tail = tail


class Server(Protocol):
    """A server as a foreground process."""

    @property
    def name(self) -> str: ...

    @property
    def command(self) -> list[str]: ...

    @property
    def environment(self) -> dict[str, str]: ...

    @property
    def log(self) -> Path: ...

    @property
    def ports(self) -> list[int]:
        """Where it listens."""
        ...

    def prepare(self) -> None:
        """Write the configuration and initialise the data folder; a repeat does no harm."""

    def ready(self) -> bool:
        """Say whether the server answers a real request."""

    def clean_up(self) -> None:
        """Remove what outlives the process itself."""


def program(name: str, package: str) -> str:
    """Find an executable, also in the folders that a normal user's PATH may lack."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=folders)
    if found is None:
        raise ServerFailed(f"{name} is not installed; `apt-get install {package}` brings it.")
    return found


def yielding(command: Sequence[str]) -> list[str]:
    """The same command at a lower priority: for work that nobody waits for, while buyers wait for the rest.

    Where all share few processors a burst of mails or an upload would otherwise slow every answer down. Linux weighs
    whole sessions where it groups by them, and each process of the stack has a session of its own (sched(7), "The
    autogroup feature"): what counts between those is the group's niceness.
    """
    return ["/bin/sh", "-c", YIELD, "yielding", *command]


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a configuration file whole or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    draft.replace(path)


def socket_path(folder: Path, name: str) -> Path:
    """Place a unix socket in the folder, or in a private short one when the path would be too long."""
    path = folder / name
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"stoa-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise ServerFailed(f"{short} belongs to somebody else, so no socket can be placed in it.")
    return short / name


def drop_socket(socket: Path) -> None:
    """Remove a socket of `socket_path`, with its short folder if it has one."""
    socket.unlink(missing_ok=True)
    if socket.parent.name.startswith("stoa-") and socket.parent.parent == Path(tempfile.gettempdir()):
        with suppress(OSError):
            socket.parent.rmdir()


def base_environment(home: Path) -> dict[str, str]:
    """Give a process a search path, a home and a character set, and nothing else of ours."""
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {"PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin", "HOME": str(home), "LANG": "C.UTF-8"}


def run_through(
    command: Sequence[str],
    environment: Mapping[str, str],
    interrupted: Callable[["subprocess.Popen[str]"], None] | None = None,
) -> tuple[int, str]:
    """Run a command to its end and give its exit code and output; what interrupts us ends it and all its children.

    `interrupted` does so for a command that has work of its own to undo.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        (interrupted or _kill)(process)
        raise
    return process.returncode, output


def _kill(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def tail(log: Path, lines: int = 15) -> str:
    """Read the last lines of a log, or nothing if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
