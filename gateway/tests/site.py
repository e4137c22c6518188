"""The whole stack in a folder of its own, started by the code of `make up`, and what only tests may do to it."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import httpx
import pytest

from common.testing.servers import place
from common.testing.waiting import eventually
from stoa.servers import free_port_block
from stoa.settings import PORTS, Settings
from stoa.stack import Stack
from stoa.starting import DEAD, House

PATIENCE_S = 100.0
"""For what takes a few seconds on an idle machine."""
DOORS = (
    *("/api/auth/jwks.json", "/api/products/", "/api/cart/", "/api/orders/", "/api/notifications/"),
    *("/api/realtime/products/", "/api/health/"),
)
"""One path of each process behind the gateway."""
UNSENT = re.compile(r"^stoa_outbox_unsent\{.*\} (\S+)$", re.MULTILINE)
COMPLAINT = re.compile(r'"level": ?"(warning|error|critical)"')
SHOWN = 10
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Site:
    """A running stack."""

    house: House
    stack: Stack

    @property
    def url(self) -> str:
        """The one URL that clients know."""
        return self.house.settings.url

    @property
    def sockets(self) -> str:
        """The same for WebSockets."""
        return f"ws{self.url.removeprefix('http')}"

    @property
    def mailbox(self) -> str:
        """Where the mails can be read."""
        return self.stack.mailbox.url

    @property
    def logs(self) -> Path:
        """What the processes have written."""
        return self.house.supervisor.log

    def complaints(self) -> str:
        """The last that each process has written of what went wrong."""
        return "\n".join(
            f"{log.stem}: {line}"
            for log in sorted(self.logs.glob("*.log"))
            for line in [line for line in log.read_text(errors="replace").splitlines() if COMPLAINT.search(line)][
                -SHOWN:
            ]
        )

    def kill(self, *names: str) -> dict[str, int]:
        """End these processes by SIGKILL, with their children; the numbers they had."""
        states = self.house.supervisor.states()
        had = {name: states[name].pid for name in names}
        for pid in had.values():
            os.killpg(pid, signal.SIGKILL)
        return had

    def wait_for_others(self, had: dict[str, int]) -> None:
        """Return once a new process stands in the place of each killed one, and all are served."""

        def there() -> bool:
            states = self.house.supervisor.states()
            return all(states[name].pid not in (0, pid) for name, pid in had.items())

        eventually(there, PATIENCE_S)
        self._wait_until_served()

    def stop(self, name: str) -> None:
        """Stop a process as an operator would, until `start`."""
        self.house.supervisor.stop(name)
        eventually(lambda: self.house.supervisor.states()[name].word in DEAD, PATIENCE_S)

    def start(self, *names: str) -> None:
        """Start stopped processes and wait until all are served."""
        for name in names:
            self.house.supervisor.start(name)
        self._wait_until_served()

    def unsent(self, name: str) -> int:
        """How many events of a service have not come to the broker yet."""
        answer = httpx.get(f"{self.house.settings.address_of(name)}/metrics", timeout=PATIENCE_S, trust_env=False)
        return sum(int(float(count)) for count in UNSENT.findall(answer.text))

    def _wait_until_served(self) -> None:
        """Return once every process is ready and the gateway has noticed."""
        eventually(lambda: all(server.ready() for server in self.stack.everything()), PATIENCE_S)
        eventually(lambda: all(self._is_served(path) for path in DOORS), PATIENCE_S)

    def _is_served(self, path: str) -> bool:
        return (
            httpx.get(f"{self.url}{path}", timeout=PATIENCE_S, trust_env=False).status_code
            != httpx.codes.SERVICE_UNAVAILABLE
        )


@contextmanager
def own_stack() -> Iterator[Site]:
    """Bring a stack up on free ports, without rate limits; nothing of it is left however the block ends."""
    with _ending_as_an_interrupt(), TemporaryDirectory(prefix="stoa-e2e-", dir=place()) as folder:
        base = free_port_block(PORTS + 1)
        settings = Settings(
            run=Path(folder, "run"),
            env="test",
            port=base + PORTS,
            port_base=base,
            rate_limits="off",
            traces="on",
            _env_file=None,
        )
        house = House(settings, lambda _: nullcontext())
        try:
            yield Site(house, _up(house))
        finally:
            for number in ENDINGS:
                signal.signal(number, signal.SIG_IGN)
            house.down()


def _up(house: House) -> Stack:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("STOA_")]:
            patch.delenv(name)
        patch.setenv("STOA_WEBHOOK_ALLOW_PRIVATE", "true")  # the integrator of these tests lives on this machine
        patch.setenv("STOA_CATALOG_TIMEOUT_S", "5")  # a busy machine is no dead sister
        return house.up()


@contextmanager
def _ending_as_an_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the tests as Ctrl-C does, so that what was started is taken down."""
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
