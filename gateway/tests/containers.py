"""The whole stack in containers of its own, brought up by the code of `make up DOCKER=1`.

Processes are killed by their numbers on this machine, as Docker does not start again what it was told to kill: the
tests need the rights for that, and an engine that runs here.
"""

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import httpx

from common.testing.waiting import eventually
from stoa.containers import Fleet
from stoa.containers.engine import COMPOSE, RUNNING
from stoa.containers.variables import MACHINE
from stoa.credentials import read_credentials
from stoa.servers import SCHEMAS

from .site import BROKER_METRICS, DIFFERENT, PATIENCE_S, Letter, Site, ending_as_an_interrupt, settings_of_its_own

MOST_MAILS = 50_000
"""As many as the mailbox keeps."""
START_S = 600
"""Images are built meanwhile, on a machine that has much else to do."""
Describe = Callable[[Path], dict[str, Any]]
READ = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=30).read().decode())"
OURS = (*SCHEMAS, "catalog-worker", "notifier-worker")


@dataclass(frozen=True)
class ContainerSite(Site):
    """A running stack."""

    house: Fleet

    machine = MACHINE
    listening_on = "0.0.0.0"  # noqa: S104 - a container is not on loopback; it takes a test's own words only

    def letters(self, *emails: str) -> list[Letter]:
        box = f"{self.settings.address_of('mailbox')}/api/v1/"
        with httpx.Client(base_url=box, timeout=PATIENCE_S, trust_env=False) as http:
            listed = http.get("messages", params={"limit": MOST_MAILS}).raise_for_status().json()["messages"]
            ours = [mail for mail in listed if not set(emails).isdisjoint(to["Address"] for to in mail["To"])]
            raw = [http.get(f"message/{mail['ID']}/raw").raise_for_status().text for mail in ours]
        return [Letter(mail["Subject"], source) for mail, source in zip(ours, raw, strict=True)]

    def written(self) -> dict[str, str]:
        names = {str(it["Service"]) for it in self.house.compose.containers()}
        read = self.house.compose.do
        return {name: read("no log", "logs", "--no-log-prefix", "--no-color", name) for name in sorted(names)}

    def numbers(self, *names: str) -> dict[str, int]:
        return {name: next(iter(self._processes(name)), 0) for name in names}

    def kill(self, *names: str) -> dict[str, int]:
        had = self.numbers(*names)
        for name in names:
            for pid in self._processes(name):
                os.kill(pid, signal.SIGKILL)
        return had

    def stop(self, name: str) -> None:
        self.house.compose.do(f"{name} cannot be stopped", "stop", name)

    def let(self, name: str) -> None:
        self.house.compose.do(f"{name} cannot be started", "start", name)

    def is_ready(self) -> bool:
        return all(line.ready for line in self.house.status())

    def metrics(self, name: str) -> str:
        port, path = {"rabbitmq": (15692, BROKER_METRICS), "gateway": (8081, "/metrics")}.get(name, (8000, "/metrics"))
        url = f"http://{name}:{port}{path}"
        return self.house.compose.do(f"{url} cannot be read", "exec", "-T", "portal", "python", "-c", READ, url)

    def root_url(self, schema: str) -> str:
        where = self.house.compose.do("MySQL has no port", "port", "mysql", "3306").strip()
        password = quote(read_credentials(self.settings).mysql_root_password, safe="")
        return f"mysql+pymysql://root:{password}@{where}/{schema}?charset=utf8mb4"

    def _processes(self, name: str) -> list[int]:
        """The numbers of its running containers' first processes."""
        ids = [it["ID"] for it in self.house.compose.containers() if it["Service"] == name and it["State"] == RUNNING]
        if not ids:
            return []
        told = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
        return [int(it["State"]["Pid"]) for it in json.loads(told)]


@contextmanager
def own_containers(replicas: str = "", also: Describe | None = None) -> Iterator[ContainerSite]:
    """Bring a stack up; nothing of it is left however the block ends.

    What `also` describes is laid over it; it is told where the description is.
    """
    with ending_as_an_interrupt() as hurry, TemporaryDirectory(prefix="stoa-e2e-") as folder:
        settings = settings_of_its_own(folder, docker="on", replicas=replicas, start_limit_s=START_S)
        laid_over = [{"services": _differences()}, *([also(COMPOSE)] if also else [])]
        more = [Path(folder, f"more-{number}.yaml") for number, _ in enumerate(laid_over)]
        for path, told in zip(more, laid_over, strict=True):
            path.write_text(json.dumps(told))
        fleet = Fleet(settings, lambda _: nullcontext(), more, f"stoa-e2e-{secrets.token_hex(3)}")
        try:
            fleet.up()
            site = ContainerSite(fleet)
            eventually(site.is_ready, PATIENCE_S)
            yield site
        finally:
            hurry()
            fleet.delete()


def _differences() -> dict[str, Any]:
    """What these tests have otherwise: what the services are told, and a way to the database."""
    ours = {name: {"environment": DIFFERENT} for name in OURS}
    return ours | {"mysql": {"ports": ["127.0.0.1::3306"]}}
