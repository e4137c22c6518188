"""What is checked before anything is started, so that a start that cannot succeed changes nothing."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from stoa.marks import holder, marked, name_of
from stoa.servers import Server, ServerFailed
from stoa.settings import OFFSETS, Settings

MEGABYTE = 1024 * 1024


class NotNow(Exception):
    """A start that cannot succeed; the text is one sentence, `tail` what a log said last."""

    def __init__(self, sentence: str, tail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.tail = tail


def check_place(settings: Settings) -> None:
    """Refuse the start if the disk is full or a port is taken."""
    _check_path(settings.folder)
    _check_disk(settings)
    _check_ports(settings)


def _check_path(folder: Path) -> None:
    if any(character in str(folder) for character in " '\"%;#"):
        raise NotNow(f"The servers cannot work in {folder}; set STOA_RUN to a path without spaces and quotes.")


def _check_disk(settings: Settings) -> None:
    place = settings.folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // MEGABYTE
    if free < settings.disk_minimum_mb:
        raise NotNow(
            f"Only {free} MB are free on the disk of {place}, and {settings.disk_minimum_mb} MB are needed; "
            "make room, or set STOA_RUN or STOA_DISK_MINIMUM_MB."
        )


def check_installed(processes: list[Server]) -> None:
    """Refuse the start if a program is missing."""
    try:
        for process in processes:
            _ = process.command
    except ServerFailed as failure:
        raise NotNow(failure.sentence) from None


def _check_ports(settings: Settings) -> None:
    ours = set(marked(settings.folder))
    for name, port, variable in _listeners(settings):
        if _is_free(settings.host if variable == "STOA_PORT" else "127.0.0.1", port):
            continue
        pid = holder(port)
        if pid in ours:
            continue
        who = f"{name_of(pid)} (pid {pid})" if pid else "another process"
        raise NotNow(f"Port {port} ({name}) is taken by {who}; end it or set {variable} to another number.")


def _listeners(settings: Settings) -> Iterator[tuple[str, int, str]]:
    yield "gateway", settings.port, "STOA_PORT"
    for name in OFFSETS:
        for replica in settings.replicas_of(name):
            yield replica, settings.port_of(replica), "STOA_PORT_BASE"


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
