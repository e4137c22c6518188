"""The brokers' room: three RabbitMQ nodes in one cluster."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from stoa.servers import RabbitMq
from stoa.servers.asking import ask
from stoa.servers.server import write

PORTS = 5
NODES = (1, 2, 3)
CONFIGURATION = """\
cluster_formation.peer_discovery_backend = classic_config
cluster_partition_handling = pause_minority
"""


@dataclass(frozen=True)
class BrokerNode:
    """One of the nodes; `base` is the first of all their ports. All share the first one's name server."""

    number: int
    base: int
    address: RabbitMq
    """What the cluster looks like to services."""

    @property
    def name(self) -> str:
        return f"rabbitmq-{self.number}"

    @property
    def node(self) -> str:
        """Its name among the others."""
        return _node(self.number)

    @cached_property
    def server(self) -> RabbitMq:
        """The node as a server of its own."""
        folder = self.address.folder.parent / self.name
        return RabbitMq(folder, self.base + PORTS * (self.number - 1), self.address.password)

    @property
    def log(self) -> Path:
        return self.server.log

    @property
    def ports(self) -> list[int]:
        return self.server.ports

    @property
    def command(self) -> list[str]:
        return self.server.command

    @property
    def environment(self) -> dict[str, str]:
        names = {"RABBITMQ_NODENAME": self.node, "ERL_EPMD_PORT": str(self.base + PORTS - 1)}
        return self.server.environment | names

    def prepare(self) -> None:
        self.server.prepare()
        configuration = self.server.folder / "rabbitmq.conf"
        nodes = (f"cluster_formation.classic_config.nodes.{number} = {_node(number)}\n" for number in NODES)
        write(configuration, configuration.read_text() + CONFIGURATION + "".join(nodes))
        cookie = hashlib.sha256(b"cluster" + self.address.password.encode()).hexdigest()
        write(self.server.folder / ".erlang.cookie", cookie, 0o400)

    def ready(self) -> bool:
        """Whether it works and sees all others work."""
        if not self.server.ready():
            return False
        running = [node for node in self.ask("nodes") if node.get("running")]
        return len(running) == len(NODES)

    def ask(self, path: str) -> list[Any]:
        """What its management says, nothing if it does not."""
        login = self.server.user, self.server.password
        answer = ask(f"{self.server.management_url}/api/{path}", login)
        return list(answer.json()) if answer is not None and answer.status_code == httpx.codes.OK else []

    def clean_up(self) -> None:
        self.server.clean_up()


def _node(number: int) -> str:
    return f"stoa{number}@localhost"


def leader_of_most(queues: Iterable[Mapping[str, Any]]) -> str:
    """The node that leads most of the quorum queues; ValueError if there are none."""
    leads = Counter(str(queue["leader"]) for queue in queues if queue.get("type") == "quorum" and queue.get("leader"))
    if not leads:
        raise ValueError("no quorum queue has a leader")
    return leads.most_common(1)[0][0]


def lonely(queues: Iterable[Mapping[str, Any]]) -> list[str]:
    """Quorum queues that do not live on all nodes."""
    quorum = (queue for queue in queues if queue.get("type") == "quorum")
    return [queue["name"] for queue in quorum if len(queue.get("online", ())) < len(NODES)]
