"""The ground's room: three nodes of database and broker as the backends of a stack."""

from dataclasses import dataclass

from clusters import brokers, databases
from clusters.balancer import Balancer
from clusters.brokers import BrokerNode
from clusters.databases import DatabaseNode
from stoa.backends import Backends, addressed
from stoa.credentials import Credentials
from stoa.settings import Settings

NODES = (1, 2, 3)
PORTS = len(NODES) * (databases.PORTS + brokers.PORTS)


@dataclass(frozen=True)
class Ground:
    """Makes the backends; `base` is the first of `PORTS` free ports."""

    base: int

    def __call__(self, settings: Settings, credentials: Credentials) -> Backends:
        """Services find the balancer where they would find the servers. Redis stays one."""
        mysql, redis, rabbitmq = addressed(settings, credentials)
        of_brokers = self.base + len(NODES) * databases.PORTS
        database_nodes = [DatabaseNode(number, self.base, mysql) for number in NODES]
        broker_nodes = [BrokerNode(number, of_brokers, rabbitmq) for number in NODES]
        balancer = Balancer(settings.folder / "balancer", database_nodes, broker_nodes)
        return Backends(mysql, redis, rabbitmq, [*database_nodes, balancer], [redis, *broker_nodes])
