"""The kinds of process that a stack has, each with its command, its environment and its sign of being ready."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stoa.servers import RabbitMq
from stoa.servers.asking import says_yes
from stoa.settings import ROOT


@dataclass(frozen=True)
class Program:
    """One of ours; it needs nothing before its start, as schemas are migrated beforehand, and leaves nothing behind."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    directory: Path

    @property
    def ports(self) -> list[int]:
        return []

    def prepare(self) -> None:
        """There is nothing to be done."""

    def clean_up(self) -> None:
        """There is nothing to be done."""


@dataclass(frozen=True)
class Web(Program):
    """A web process; it is ready when it says so itself."""

    port: int

    @property
    def ports(self) -> list[int]:
        return [self.port]

    def ready(self) -> bool:
        return says_yes(f"http://127.0.0.1:{self.port}/readyz")


@dataclass(frozen=True)
class Worker(Program):
    """A Celery worker; it yields to what buyers wait for. Ready when the broker knows a consumer of its queue."""

    queue: str
    broker: RabbitMq

    def ready(self) -> bool:
        return self.queue in self.broker.consumed_queues()


@dataclass(frozen=True)
class Migration:
    """Brings one service's schema to the newest revision."""

    service: str
    command: list[str]
    environment: dict[str, str]
    directory: Path
    log: Path


def uvicorn_command(factory: str, port: int, grace_s: int, more: Sequence[str]) -> list[str]:
    """The command of a web process behind the gateway."""
    return [
        *(sys.executable, "-m", "uvicorn", "--factory", factory, "--host", "127.0.0.1", "--port", str(port)),
        *("--no-access-log", "--no-server-header", "--timeout-keep-alive", "120"),
        *("--timeout-graceful-shutdown", str(grace_s), "--proxy-headers", "--forwarded-allow-ips", "127.0.0.1"),
        *more,
    ]


def code_of(service: str, place: Path) -> str:
    """A short name for the present state of what a service runs, whose folder this is."""
    return digest_of(place / service, ROOT / "libs" / "common" / "common")


def digest_of(*folders: Path) -> str:
    """The same for all source files in these folders: a program whose name has changed is restarted."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        digest.update(f"{path}:{path.stat().st_mtime_ns}:{path.stat().st_size};".encode())
    return digest.hexdigest()[:12]
