"""A stack of the bench's own: the real one on free ports, without rate limits, in a folder that is deleted."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from sqlalchemy import Engine

from common.database import new_engine
from measuring.ending import end_when_asked, undisturbed
from measuring.results import Step
from stoa.backends import MakeBackends, native
from stoa.processes import Web, uvicorn_command
from stoa.servers import free_port_block, running
from stoa.servers.gateway import Gateway
from stoa.settings import PORTS as OF_A_STACK
from stoa.settings import ROOT, Settings
from stoa.stack import Stack
from stoa.starting import House

PORTS = OF_A_STACK + 4
"""And one for its gateway, and for an application in the place of a service, with a gateway and its operations."""
BUFFER_POOL_MB = 1024
"""A server of a shop with a million products has at least this; the local stack's default serves a demo."""
QUERY_S = 600

Detour = Callable[[Settings], Mapping[str, int]]


@dataclass(frozen=True)
class Bench:
    """A running stack. A second gateway of the same routes leads to another application in the place of a service."""

    house: House
    stack: Stack
    folder: Path
    base: int

    @property
    def url(self) -> str:
        """The stack's gateway."""
        return self.house.settings.url

    def engine(self, schema: str = "catalog") -> Engine:
        """A way into a schema with all rights, and time for large statements."""
        url = f"{self.stack.mysql.root_url().partition('?')[0].rstrip('/')}/{schema}?charset=utf8mb4&local_infile=1"
        return new_engine(url, read_timeout_s=QUERY_S)

    def token(self) -> str:
        """The administrator's token, good for ten minutes."""
        settings = self.house.settings
        account = {"username": settings.admin_username, "password": settings.admin_password}
        answer = httpx.post(f"{self.url}/api/auth/login/", json=account, timeout=60, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])

    def pid(self, name: str) -> int:
        """The process of this name."""
        return self.house.supervisor.states()[name].pid

    @contextmanager
    def instead(self, service: str, application: str, **variables: str) -> Iterator[str]:
        """The address of a gateway behind which this application, with these variables, stands for the service."""
        port = self.base + PORTS - 2
        environment = self.stack.service_environment(service) | {"PYTHONPATH": str(ROOT / "bench")} | variables
        command = uvicorn_command(application, port, 1, ("--ws", "none"))
        understudy = Web("instead", command, environment, self.folder / "instead.log", ROOT, port)
        routes = dict(self.stack.gateway.variables)
        routes[f"STOA_{service.upper()}_SERVERS"] = f"http://127.0.0.1:{port}"
        second = Gateway(self.folder / "second", "127.0.0.1", port - 1, port - 2, self.stack.gateway.files, routes)
        with running(understudy), running(second):
            yield f"http://127.0.0.1:{second.port}"


@contextmanager
def bench(
    detour: Detour | None = None,
    *,
    buffer_pool_mb: int = BUFFER_POOL_MB,
    replicas: str = "",
    step: Step = lambda _: None,
    backends: MakeBackends = native,
) -> Iterator[Bench]:
    """Bring the stack up; nothing of it is left however the block ends.

    `detour` is told the settings and gives the ports at which services find others instead, by listener; `backends`
    makes the servers.
    """
    end_when_asked()
    for name in [name for name in os.environ if name.startswith("STOA_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as name:
        folder, base = Path(name), free_port_block(PORTS)
        settings = Settings(
            run=folder / "run",
            env="test",
            port=base + PORTS - 1,
            port_base=base,
            rate_limits="off",
            mysql_buffer_pool_mb=buffer_pool_mb,
            replicas=replicas,
            _env_file=None,
        )
        house = House(settings, partial(_told, step), detour(settings) if detour else None, backends)
        try:
            yield Bench(house, house.up(), folder, base)
        finally:
            with undisturbed():
                house.down()


@contextmanager
def _told(step: Step, text: str) -> Iterator[None]:
    step(text)
    yield
