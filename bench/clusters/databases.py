"""The databases' room: three MariaDB servers that Galera keeps alike."""

import secrets
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pymysql

from stoa.servers import MariaDb, running
from stoa.servers.server import program, write

PORTS = 4
"""SQL, the group's messages, what a node missed meanwhile, a whole copy."""
PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
NEEDED = {"mariadbd": "mariadb-server", "mariadb-backup": "mariadb-backup", "socat": "socat"}
"""Programs and the packages that bring them; the last two copy a node."""
WATCHER = "balancer"
"""A user without any rights, who may see whether a node takes part."""
TAKES_PART = "SELECT variable_value = 'ON' FROM information_schema.global_status WHERE variable_name = 'wsrep_ready'"

CONFIGURATION = """\
binlog_format = ROW
innodb_autoinc_lock_mode = 2
wsrep_on = ON
wsrep_provider = {provider}
wsrep_cluster_name = stoa
wsrep_cluster_address = gcomm://{group}
wsrep_node_name = {name}
wsrep_node_address = 127.0.0.1:{group_port}
wsrep_sst_method = mariabackup
wsrep_sst_auth = root:{password}
wsrep_sst_receive_address = 127.0.0.1:{copy_port}
wsrep_sst_donor = mysql-3,mysql-2,
wsrep_slave_threads = 2
wsrep_sync_wait = 7
wsrep_provider_options = "base_host=127.0.0.1; base_port={group_port}; \
gmcast.listen_addr=tcp://127.0.0.1:{group_port}; \
ist.recv_addr=127.0.0.1:{missed_port}; gcache.size=64M; evs.suspect_timeout=PT3S; evs.inactive_timeout=PT10S"
"""
"""With a node that is gone nobody commits for `suspect_timeout`; Stoa gives a statement 5 s (`common.database`)."""

STATE = """\
# GALERA saved state
version: 2.1
uuid:    6f1b0f9e-0000-11ee-8000-00000000570a
seqno:   0
safe_to_bootstrap: 1
"""
"""That of the seed: with the same in each copy nobody asks for a whole copy at the first start."""
START = """\
#!/bin/sh
# The first start of the first node founds the cluster; later ones begin where the node has come to.
set -eu
if [ -e {folder}/founding ]; then mv {folder}/founding {folder}/begun; exec {command} --wsrep-new-cluster; fi
at=
if [ -e {folder}/begun ]; then
  {command} --wsrep-recover --log-error={folder}/recovery.log || true
  at=$(sed -n 's/.*Recovered position: *//p' {folder}/recovery.log | tail -n 1)
fi
touch {folder}/begun
exec {command} ${{at:+--wsrep-start-position=$at}}
"""


@dataclass(frozen=True)
class DatabaseNode:
    """One of the servers; `base` is the first of all their ports, `PORTS` for each."""

    number: int
    base: int
    address: MariaDb
    """What the cluster looks like to services: names and passwords are the same on all nodes."""

    @property
    def name(self) -> str:
        return f"mysql-{self.number}"

    @property
    def folder(self) -> Path:
        return self.address.folder.parent / self.name

    @cached_property
    def server(self) -> MariaDb:
        """The node as a server of its own."""
        return self._server(self.folder, self.ports[0])

    @property
    def log(self) -> Path:
        return self.server.log

    @property
    def ports(self) -> list[int]:
        return _ports(self.base, self.number)

    @property
    def command(self) -> list[str]:
        for name, package in NEEDED.items():
            program(name, package)
        return ["/bin/sh", str(self.folder / "start.sh")]

    @property
    def environment(self) -> dict[str, str]:
        return self.server.environment

    @property
    def watcher_options(self) -> Path:
        """Name and password of the watcher, for the client."""
        return self._seed.folder / "watcher.cnf"

    def prepare(self) -> None:
        self._begin()
        self.server.prepare()
        plain = self.server.configuration.read_text().splitlines()
        _, group_port, missed_port, copy_port = self.ports
        joined = CONFIGURATION.format(
            provider=PROVIDER,
            group=",".join(f"127.0.0.1:{_ports(self.base, number)[1]}" for number in (1, 2, 3)),
            name=self.name,
            group_port=group_port,
            missed_port=missed_port,
            copy_port=copy_port,
            password=self.address.root_password,
        )
        # What init-file does would be done on all nodes, by each.
        kept = [line for line in plain if not line.startswith("init-file")]
        write(self.server.configuration, "\n".join(kept) + "\n" + joined)
        start = START.format(folder=self.folder, data=self.server.data, command=" ".join(self.server.command))
        write(self.folder / "start.sh", start)

    def ready(self) -> bool:
        """Whether it takes statements as a part of the cluster."""
        return self.ask(TAKES_PART) == ((1,),)

    def ask(self, statement: str) -> Sequence[Sequence[object]] | None:
        """This node's own answer, None if there is none."""
        try:
            with closing(_connect(self.server)) as connection, connection.cursor() as cursor:
                cursor.execute("SET SESSION wsrep_sync_wait = 0")
                cursor.execute(statement)
                return cursor.fetchall()
        except pymysql.MySQLError:
            return None

    def clean_up(self) -> None:
        self.server.clean_up()

    def _begin(self) -> None:
        """All nodes begin as copies of one."""
        if self.server.data.exists():
            return
        if not self._seed.data.exists():
            _sow(self._seed, self.watcher_options)
        shutil.copytree(self._seed.data, self.server.data)
        write(self.server.data / "grastate.dat", STATE)
        if self.number == 1:
            (self.folder / "founding").touch()

    @cached_property
    def _seed(self) -> MariaDb:
        return self._server(self.address.folder.parent / "mysql-seed", self.base)

    def _server(self, folder: Path, port: int) -> MariaDb:
        like = self.address
        return MariaDb(folder, port, like.root_password, like.passwords, like.buffer_pool_mb, like.max_connections)


def _ports(base: int, number: int) -> list[int]:
    first = base + PORTS * (number - 1)
    return list(range(first, first + PORTS))


def _sow(seed: MariaDb, watcher: Path) -> None:
    password = secrets.token_urlsafe(18)
    write(watcher, f"[client]\nuser={WATCHER}\npassword={password}\n")
    with running(seed), closing(_connect(seed)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER '{WATCHER}'@'127.0.0.1' IDENTIFIED BY %s", (password,))


def _connect(server: MariaDb) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host="127.0.0.1",
        port=server.port,
        user="root",
        password=server.root_password,
        connect_timeout=2,
        read_timeout=5,
    )
