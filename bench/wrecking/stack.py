"""The stack that is broken: the real one in a folder of its own, with proxies between its parts, and what may be done
to it.
"""

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import httpx
import redis
from sqlalchemy import Engine

from measuring.house import PORTS, Bench, bench
from replaying.stack import SERVICES
from replaying.stack import Stack as Address
from stoa.processes import Web, uvicorn_command
from stoa.servers import running
from stoa.settings import ROOT, Settings
from stoa.starting import DEAD
from wrecking.proxy import Proxy, proxied

LEANED_ON = ("mysql", "rabbitmq", "redis", "auth", "catalog", "cart", "orders", "mailbox smtp")
"""What services reach through a proxy; the gateway reaches them without."""
POOL_MB = 256
COMES_BACK_S = 120.0
"""For a process to be there again; RabbitMQ takes about 8 s on an idle machine."""
SIDE_BY_SIDE_S = 3.0
"""Two releases serve together, so that each reads what the other has written."""
POLL_S = 0.1
DOORS = (
    *("/api/auth/jwks.json", "/api/products/", "/api/cart/", "/api/orders/", "/api/notifications/"),
    *("/api/realtime/products/", "/api/health/"),
)
"""One path of each process behind the gateway."""
NEVER = re.compile(r"unforeseen|exception was never retrieved|was never awaited", re.IGNORECASE)


class NotBack(Exception):
    """Something has not come back by itself; the text is a sentence."""


@dataclass
class Site:
    """A running stack."""

    running: Bench
    proxies: Mapping[str, Proxy]
    engine: Engine
    _read: dict[Path, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The gateway."""
        return self.running.url

    @property
    def address(self) -> Address:
        """The same as a replay knows it."""
        stack, settings = self.running.stack, self.running.house.settings
        return Address(
            url=self.url,
            services={name: settings.address_of(name) for name in SERVICES},
            queues_url=stack.rabbitmq.management_url,
            queues_login=(stack.rabbitmq.user, stack.rabbitmq.password),
            mailbox_url=stack.mailbox.url,
            admin=(settings.admin_username, settings.admin_password),
        )

    @property
    def logs(self) -> Path:
        """What the processes write."""
        return self.running.house.supervisor.log

    def kill(self, *names: str) -> None:
        """End these processes by SIGKILL, with their children, and return when others stand in their place."""
        had = {name: self.running.pid(name) for name in names}
        for pid in had.values():
            _signal(pid, signal.SIGKILL)
        self._wait(lambda: all(self.running.pid(name) not in (0, pid) for name, pid in had.items()), had)

    def freeze(self, *names: str) -> None:
        """Stop these processes where they stand."""
        for name in names:
            _signal(self.running.pid(name), signal.SIGSTOP)

    def thaw(self, *names: str) -> None:
        """Let them go on."""
        for name in names:
            _signal(self.running.pid(name), signal.SIGCONT)

    def stop(self, name: str) -> None:
        """Stop a process as an operator would, until `start`."""
        supervisor = self.running.house.supervisor
        supervisor.stop(name)
        self._wait(lambda: supervisor.states()[name].word in DEAD, [name])

    def start(self, name: str) -> None:
        """Start a stopped process."""
        self.running.house.supervisor.start(name)

    def restart(self) -> None:
        """Put new processes in the place of all services and workers, one after the other, as an update does."""
        self.running.house.restart(())

    def roll_out(self, service: str, folder: Path) -> None:
        """Migrate the schema as the release in this folder wants it, and run that from now on, process by process."""
        house = self.running.house
        house.places[service] = folder
        house.migrate()
        for name in reversed(house.settings.replicas_of(service)):  # the first one's name is that of all
            house.restart((name,))
            sleep(SIDE_BY_SIDE_S)

    def flush_redis(self) -> None:
        """Empty all of Redis."""
        with redis.Redis(port=self.running.stack.redis.port) as client:
            client.flushall()

    @contextmanager
    def beside(self, service: str, application: str, place: int) -> Iterator[None]:
        """Another process of the service, made by this application; it hears the queue, the gateway knows it not."""
        port = self.running.base + PORTS - 2 - place
        environment = self.running.stack.service_environment(service) | {"PYTHONPATH": str(ROOT / "bench")}
        command = uvicorn_command(application, port, 1, ("--ws", "none"))
        log = self.logs / f"{application.replace(':', '-')}.log"
        with running(Web(application, command, environment, log, ROOT, port)):
            yield

    def is_served(self) -> bool:
        """Whether every process is ready and the gateway has noticed."""
        if not all(process.ready() for process in self.running.stack.everything()):
            return False
        with httpx.Client(base_url=self.url, timeout=POLL_S * 100, trust_env=False) as http, suppress(httpx.HTTPError):
            return all(http.get(path).status_code != httpx.codes.SERVICE_UNAVAILABLE for path in DOORS)
        return False

    def new_log_lines(self) -> list[str]:
        """What must never be in a log, of what was written since this was asked last."""
        found: list[str] = []
        for log in sorted(self.logs.glob("*.log")):
            with log.open(errors="replace") as file:
                file.seek(self._read.get(log, 0) if log.stat().st_size >= self._read.get(log, 0) else 0)
                found += [f"{log.name}: {line.strip()[:200]}" for line in file if NEVER.search(line)]
                self._read[log] = file.tell()
        return found

    def _wait(self, is_so: Callable[[], bool], names: Iterable[str]) -> None:
        ends = monotonic() + COMES_BACK_S
        while not is_so():
            if monotonic() > ends:
                raise NotBack(f"{', '.join(names)} has not come back within {COMES_BACK_S:.0f} s.")
            sleep(POLL_S)


@contextmanager
def wreckable(replicas: str = "") -> Iterator[Site]:
    """Bring it up; nothing of it is left however the block ends.

    With replicas there are no proxies: one that cannot reach its server takes the connection and drops it, where
    whoever tries the next replica would have to be refused.
    """
    proxies: dict[str, Proxy] = {}
    with ExitStack() as held:

        def detour(settings: Settings) -> dict[str, int]:
            proxies.update(held.enter_context(proxied({name: settings.port_of(name) for name in LEANED_ON})))
            return {name: proxy.port for name, proxy in proxies.items()}

        found = held.enter_context(bench(None if replicas else detour, buffer_pool_mb=POOL_MB, replicas=replicas))
        engine = found.engine("orders")
        held.callback(engine.dispose)
        yield Site(found, proxies, engine)


def _signal(pid: int, number: signal.Signals) -> None:
    """To the process with its children. One that does not run just now has number 0, which would be our own group."""
    if pid > 0:
        with suppress(ProcessLookupError):
            os.killpg(pid, number)
