"""The whole stack in a folder of its own, as processes of this machine, started by the code of `make up`."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import pytest

from common.testing.servers import place
from common.testing.waiting import eventually
from stoa.stack import Stack
from stoa.starting import DEAD, House

from .site import (
    BROKER_METRICS,
    DIFFERENT,
    PATIENCE_S,
    Letter,
    Site,
    ending_as_an_interrupt,
    fetched,
    settings_of_its_own,
)

NOT_RUNNING = 0


@dataclass(frozen=True)
class ProcessSite(Site):
    """A running stack."""

    house: House
    stack: Stack

    machine = listening_on = "127.0.0.1"

    def letters(self, *emails: str) -> list[Letter]:
        found: list[Letter] = []
        page = pages = 1
        while page <= pages:
            said = fetched(f"{self.stack.mailbox.url}/api/messages/", page=page).raise_for_status().json()
            ours = [mail for mail in said["data"] if not set(emails).isdisjoint(mail["recipients_envelope"])]
            found += [Letter(mail["subject"], mail["source"]) for mail in ours]
            page, pages = page + 1, said["meta"]["pages_total"]
        return found

    def written(self) -> dict[str, str]:
        logs = sorted(self.house.supervisor.log.glob("*.log"))
        return {log.stem: log.read_text(errors="replace") for log in logs}

    def numbers(self, *names: str) -> dict[str, int]:
        states = self.house.supervisor.states()
        return {name: states[name].pid or NOT_RUNNING for name in names}

    def kill(self, *names: str) -> dict[str, int]:
        had = self.numbers(*names)
        for pid in had.values():
            os.killpg(pid, signal.SIGKILL)
        return had

    def stop(self, name: str) -> None:
        self.house.supervisor.stop(name)
        eventually(lambda: self.house.supervisor.states()[name].word in DEAD, PATIENCE_S)

    def let(self, name: str) -> None:
        self.house.supervisor.start(name)

    def is_ready(self) -> bool:
        return all(server.ready() for server in self.stack.everything())

    def metrics(self, name: str) -> str:
        others = {
            "rabbitmq": f"http://127.0.0.1:{self.stack.rabbitmq.prometheus_port}{BROKER_METRICS}",
            "gateway": f"{self.stack.gateway.ops_url}/metrics",
        }
        url = others.get(name) or f"{self.settings.address_of(name)}/metrics"
        return fetched(url).text

    def root_url(self, schema: str) -> str:
        return self.stack.mysql.root_url(schema)


@contextmanager
def own_processes() -> Iterator[ProcessSite]:
    """Bring a stack up; nothing of it is left however the block ends."""
    with ending_as_an_interrupt() as hurry, TemporaryDirectory(prefix="stoa-e2e-", dir=place()) as folder:
        house = House(settings_of_its_own(folder, docker="off"), lambda _: nullcontext())
        try:
            yield ProcessSite(house, _up(house))
        finally:
            hurry()
            house.down()


def _up(house: House) -> Stack:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("STOA_")]:
            patch.delenv(name)
        for name, value in DIFFERENT.items():
            patch.setenv(name, value)
        return house.up()
