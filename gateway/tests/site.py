"""A whole running stack as the tests of this folder see it, and what only they may do to it."""

import re
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_string, policy
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from common.http import new_tls
from common.testing.waiting import eventually
from stoa.containers import Fleet
from stoa.servers import free_port_block
from stoa.settings import PORTS, Settings
from stoa.starting import House

PATIENCE_S = 100.0
"""For what takes a few seconds on an idle machine."""
DIFFERENT = {
    "STOA_WEBHOOK_ALLOW_PRIVATE": "true",  # the integrator of these tests lives on this machine
    "STOA_CATALOG_TIMEOUT_S": "5",  # a busy machine is no dead sister
    "STOA_CART_TIMEOUT_S": "5",
    "STOA_ACCESS_TTL_S": "3600",  # nor a test that takes long the end of whoever signed in before it
}
"""What the services of these tests are told beside what they are told everywhere."""
DOORS = (
    *("/api/auth/jwks.json", "/api/products/", "/api/cart/", "/api/orders/", "/api/notifications/"),
    *("/api/realtime/products/", "/api/health/"),
)
"""One path of each process behind the gateway."""
BROKER_METRICS = "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count"
UNSENT = re.compile(r"^stoa_outbox_unsent\{.*\} (\S+)$", re.MULTILINE)
COMPLAINT = re.compile(r'"level": ?"(warning|error|critical)"')
SHOWN = 10
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Letter:
    """A mail as it lies in the mailbox."""

    subject: str
    source: str

    @property
    def text(self) -> str:
        """Its plain text."""
        body = message_from_string(self.source, policy=policy.default).get_body(("plain",))
        return body.get_content() if body else ""


class Site(ABC):
    """A running stack. Processes are called as `stoa status` calls them natively: orders, catalog-worker, redis."""

    house: House | Fleet
    machine: str
    """How its processes call the machine that the tests run on."""
    listening_on: str
    """Where on that machine they can reach somebody."""

    @property
    def settings(self) -> Settings:
        """What it was started with."""
        return self.house.settings

    @property
    def url(self) -> str:
        """The one URL that clients know."""
        return self.settings.url

    @property
    def sockets(self) -> str:
        """The same for WebSockets."""
        return f"ws{self.url.removeprefix('http')}"

    @abstractmethod
    def letters(self, *emails: str) -> list[Letter]:
        """What lies in the mailbox for these addresses, newest first."""

    @abstractmethod
    def written(self) -> dict[str, str]:
        """What each process has written."""

    @abstractmethod
    def numbers(self, *names: str) -> dict[str, int]:
        """The present number of each process; 0 for one that does not run."""

    @abstractmethod
    def kill(self, *names: str) -> dict[str, int]:
        """End these processes by SIGKILL, with their children; the numbers they had."""

    @abstractmethod
    def stop(self, name: str) -> None:
        """Stop a process as an operator would, until it is let run again."""

    @abstractmethod
    def let(self, name: str) -> None:
        """Let a stopped process run again, and do not wait for it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether every process says so."""

    @abstractmethod
    def metrics(self, name: str) -> str:
        """What a service, the gateway or the broker tells Prometheus."""

    @abstractmethod
    def root_url(self, schema: str) -> str:
        """A way into a schema with all rights."""

    def start(self, *names: str) -> None:
        """Start stopped processes and wait until all are served."""
        for name in names:
            self.let(name)
        self._wait_until_served()

    def wait_for_others(self, had: dict[str, int]) -> None:
        """Return once a new process stands in the place of each killed one, and all are served."""

        def there() -> bool:
            now = self.numbers(*had)
            return all(now[name] not in (0, number) for name, number in had.items())

        eventually(there, PATIENCE_S)
        self._wait_until_served()

    def unsent(self, name: str) -> int:
        """How many events of a service have not come to the broker yet."""
        return sum(int(float(count)) for count in UNSENT.findall(self.metrics(name)))

    def complaints(self) -> str:
        """The last that each process has written of what went wrong."""
        return "\n".join(
            f"{name}: {line}"
            for name, text in self.written().items()
            for line in [line for line in text.splitlines() if COMPLAINT.search(line)][-SHOWN:]
        )

    def _wait_until_served(self) -> None:
        """Return once every process is ready and the gateway has noticed."""
        eventually(self.is_ready, PATIENCE_S)
        eventually(lambda: all(self._is_served(path) for path in DOORS), PATIENCE_S)

    def _is_served(self, path: str) -> bool:
        return fetched(f"{self.url}{path}").status_code != httpx.codes.SERVICE_UNAVAILABLE


def fetched(url: str, **params: Any) -> httpx.Response:
    """What a server of the stack answers to nobody in particular."""
    return httpx.get(url, params=params or None, timeout=PATIENCE_S, verify=new_tls(url), trust_env=False)


def settings_of_its_own(folder: str, **more: Any) -> Settings:
    """On free ports, without rate limits, in this folder, whatever the environment says."""
    base = free_port_block(PORTS + 1)
    return Settings(
        run=Path(folder, "run"),
        env="test",
        port=base + PORTS,
        port_base=base,
        rate_limits="off",
        traces="on",
        _env_file=None,
        **more,
    )


@contextmanager
def ending_as_an_interrupt() -> Iterator[Callable[[], None]]:
    """Let SIGTERM and SIGHUP end the tests as Ctrl-C does, so that what was started is taken down.

    Gives what is to be called before that, so that no further one interrupts it.
    """
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    try:
        yield _ignore_further
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_further() -> None:
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
