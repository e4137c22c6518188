"""The site's room: a stack on clusters, whose nodes are killed and watched coming back."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic, sleep

import httpx

from clusters.brokers import BrokerNode, leader_of_most, lonely
from clusters.databases import DatabaseNode
from clusters.ground import PORTS, Ground
from measuring.house import bench
from stoa.servers import free_port_block
from wrecking.stack import DOORS, POLL_S, NotBack, Site

POOL_MB = 64
WHOLE_WITHIN_S = 180.0
WRITER = "SELECT @@wsrep_node_name"
TABLES = (
    *("orders.orders", "orders.order_lines", "orders.outbox", "catalog.products", "catalog.reservations"),
    *("realtime.sold", "realtime.inbox", "notifier.notifications"),
)
"""What is held against the other nodes' at the end."""


@dataclass
class ClusterSite(Site):
    """A stack whose database and broker have three nodes; `back_s` says how long a killed node was away."""

    databases: Sequence[DatabaseNode] = ()
    brokers: Sequence[BrokerNode] = ()
    back_s: dict[str, float] = field(default_factory=dict)

    @property
    def nodes(self) -> list[DatabaseNode | BrokerNode]:
        """Those of both clusters."""
        return [*self.databases, *self.brokers]

    def is_served(self) -> bool:
        """Whether the doors are open; a node may still be away."""
        if not all(process.ready() for process in self.running.stack.applications()):
            return False
        with httpx.Client(base_url=self.url, timeout=POLL_S * 100, trust_env=False) as http, suppress(httpx.HTTPError):
            return all(http.get(path).status_code != httpx.codes.SERVICE_UNAVAILABLE for path in DOORS)
        return False

    def writer(self) -> str:
        """The database node that the balancer leads to."""
        with self.engine.connect() as connection:
            return str(connection.exec_driver_sql(WRITER).scalar_one())

    def leader(self) -> str:
        """The broker node that leads most of the queues."""
        for node in self.brokers:
            if queues := node.ask("queues"):
                leads = leader_of_most(queues)
                return next(each.name for each in self.brokers if each.node == leads)
        raise NotBack("No broker node says who leads the queues.")

    def wait_whole(self) -> None:
        """Wait until every node takes part again. Raises NotBack."""
        ends = monotonic() + WHOLE_WITHIN_S
        while away := [node.name for node in self.nodes if not node.ready()]:
            if monotonic() > ends:
                raise NotBack(f"{', '.join(away)} has not joined again within {WHOLE_WITHIN_S:.0f} s.")
            sleep(POLL_S * 5)

    def differences(self) -> list[str]:
        """Where the nodes do not hold the same, when nothing moves."""
        found = []
        for table in TABLES:
            sums = {node.name: node.ask(f"CHECKSUM TABLE {table}") for node in self.databases}
            if len(set(map(str, sums.values()))) > 1:
                found.append(f"{table} differs between the nodes: {sums}")
        queues = next((queues for node in self.brokers if (queues := node.ask("queues"))), [])
        return found + [f"the queue {name} does not live on all nodes" for name in lonely(queues)]

    @contextmanager
    def killed(self, name: str) -> Iterator[None]:
        """Kill a node; what starts it again is the supervisor, and how long it was away is noted."""
        begun = monotonic()
        self.kill(name)
        threading.Thread(target=self._note_return, args=(name, begun), daemon=True).start()
        yield

    def _note_return(self, name: str, begun: float) -> None:
        node = next(node for node in self.nodes if node.name == name)
        while monotonic() < begun + WHOLE_WITHIN_S:
            if node.ready():
                self.back_s[name] = monotonic() - begun
                return
            sleep(POLL_S * 2)


@contextmanager
def clustered() -> Iterator[ClusterSite]:
    """Bring it up; nothing of it is left however the block ends."""
    ground = Ground(free_port_block(PORTS))
    with bench(buffer_pool_mb=POOL_MB, backends=ground) as found:
        nodes = found.stack.servers()
        databases = [node for node in nodes if isinstance(node, DatabaseNode)]
        engine = found.engine("orders")
        try:
            yield ClusterSite(
                found,
                {},
                engine,
                databases=databases,
                brokers=[node for node in nodes if isinstance(node, BrokerNode)],
            )
        finally:
            engine.dispose()
