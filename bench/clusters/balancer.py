"""The balancer's room: HAProxy before the nodes, so that services know one address of each cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.brokers import BrokerNode
from clusters.databases import TAKES_PART, DatabaseNode
from stoa.servers import is_free
from stoa.servers.server import base_environment, program, write

CONFIGURATION = """\
global
    maxconn 4000
    external-check
    insecure-fork-wanted

defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 5s
    default-server check inter 1s fastinter 500ms rise 2 fall 3 on-marked-down shutdown-sessions

# One writer, and the same one until it dies: the table remembers who that is, so nobody goes back to a node that has
# come back, while others still write to the one in its place. (With `size 1 nopurge`, as often advised, HAProxy 2.6 has
# no room to remember the second one.)
listen mysql
    bind 127.0.0.1:{mysql}
    option external-check
    external-check path "{path}"
    external-check command {check}
    stick-table type ip size 1k
    stick on dst
{databases}

listen rabbitmq
    bind 127.0.0.1:{rabbitmq}
    balance leastconn
{brokers}

listen management
    bind 127.0.0.1:{management}
{managements}
"""

CHECK = """\
#!/bin/sh
# Called with the proxy's address and port, then the server's.
answer=$({client} --defaults-file={options} --host="$3" --port="$4" --connect-timeout=2 --batch --skip-column-names \
  --execute "SET SESSION wsrep_sync_wait = 0; {statement}" 2>/dev/null)
[ "$answer" = 1 ]
"""


@dataclass(frozen=True)
class Balancer:
    """HAProxy at the ports where services look for database and broker."""

    folder: Path
    databases: Sequence[DatabaseNode]
    brokers: Sequence[BrokerNode]
    name: str = "balancer"

    @property
    def log(self) -> Path:
        return self.folder / "haproxy.log"

    @property
    def ports(self) -> list[int]:
        broker = self.brokers[0].address
        return [self.databases[0].address.port, broker.port, broker.management_port]

    @property
    def command(self) -> list[str]:
        return [program("haproxy", "haproxy"), "-db", "-f", str(self.folder / "haproxy.cfg")]

    @property
    def environment(self) -> dict[str, str]:
        return base_environment(self.folder)

    def prepare(self) -> None:
        mysql, rabbitmq, management = self.ports
        check = self.folder / "check.sh"
        client = program("mariadb", "mariadb-client")
        options = self.databases[0].watcher_options
        write(check, CHECK.format(client=client, options=options, statement=TAKES_PART), 0o700)
        text = CONFIGURATION.format(
            mysql=mysql,
            rabbitmq=rabbitmq,
            management=management,
            path=self.environment["PATH"],
            check=check,
            databases=_servers([(node.name, node.server.port) for node in self.databases], backups=True),
            brokers=_servers([(node.name, node.server.port) for node in self.brokers]),
            managements=_servers([(node.name, node.server.management_port) for node in self.brokers]),
        )
        write(self.folder / "haproxy.cfg", text)

    def ready(self) -> bool:
        """Whether it listens and leads to a database."""
        return not is_free(self.ports[0]) and self.databases[0].address.ready()

    def clean_up(self) -> None:
        """It leaves nothing behind."""


def _servers(nodes: Sequence[tuple[str, int]], *, backups: bool = False) -> str:
    """A line for each; with backups only the first one is used while it lives."""
    lines = (f"    server {name} 127.0.0.1:{port}" for name, port in nodes)
    return "\n".join(line + (" backup" if backups and number else "") for number, line in enumerate(lines))
