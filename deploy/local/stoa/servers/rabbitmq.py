"""RabbitMQ as Stoa runs it: a node of its own, with ports and an epmd that no other node shares."""

import base64
import hashlib
import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from stoa.servers.asking import ask, says_yes
from stoa.servers.server import ServerFailed, base_environment, program, write

CONFIGURATION = """\
listeners.tcp.default = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {prometheus_port}
load_definitions = {definitions}
loopback_users = none
disk_free_limit.absolute = {disk_limit_mb}MB
raft.wal_max_size_bytes = 67108864
log.file = false
log.console = true
log.console.level = info
log.console.use_colors = off
"""


@dataclass
class RabbitMq:
    """One RabbitMQ node; it takes five ports in a row from `port`: AMQP, management, metrics, two of Erlang's."""

    folder: Path
    port: int
    password: str
    user: str = "stoa"
    disk_limit_mb: int = 200
    name: str = "rabbitmq"

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.management_port = self.port + 1
        self.prometheus_port = self.port + 2
        self.distribution_port = self.port + 3
        self.epmd_port = self.port + 4

    @property
    def log(self) -> Path:
        return self.folder / "rabbitmq.log"

    @property
    def ports(self) -> list[int]:
        return list(range(self.port, self.port + 5))

    @property
    def command(self) -> list[str]:
        return [str(self._scripts / "rabbitmq-server")]

    @property
    def environment(self) -> dict[str, str]:
        base = base_environment(self.folder)
        schedulers = min(2, os.cpu_count() or 1)
        return base | {
            "PATH": f"{self._scripts}:{base['PATH']}",
            "RABBITMQ_NODENAME": "stoa@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_BASE": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the broker instead of guarding it
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "rabbit.pid"),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} "
                f"+S {schedulers}:{schedulers} +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }

    @property
    def management_url(self) -> str:
        return f"http://127.0.0.1:{self.management_port}"

    def url(self, virtual_host: str = "/") -> str:
        """Give the AMQP URL of one virtual host."""
        password, path = quote(self.password, safe=""), quote(virtual_host, safe="")
        return f"amqp://{self.user}:{password}@127.0.0.1:{self.port}/{path}"

    def prepare(self) -> None:
        definitions = self.folder / "definitions.json"
        text = CONFIGURATION.format(
            port=self.port,
            management_port=self.management_port,
            prometheus_port=self.prometheus_port,
            definitions=definitions,
            disk_limit_mb=self.disk_limit_mb,
        )
        write(self.folder / "rabbitmq.conf", text)
        write(self.folder / "enabled_plugins", "[rabbitmq_management,rabbitmq_prometheus].\n")
        write(definitions, json.dumps(self._definitions()))

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2):
                return says_yes(f"{self.management_url}/api/health/checks/alarms", self._login)
        except OSError:
            return False

    def consumed_queues(self) -> set[str]:
        """Name the queues that somebody consumes at this moment."""
        answer = ask(f"{self.management_url}/api/consumers/%2F", self._login)
        if answer is None or answer.status_code != httpx.codes.OK:
            return set()
        return {consumer["queue"]["name"] for consumer in answer.json()}

    def empty(self) -> None:
        """Throw away what waits in any queue; the queues stay. Raises ServerFailed."""
        try:
            with httpx.Client(base_url=self.management_url, auth=self._login, timeout=60, trust_env=False) as http:
                for queue in http.get("/api/queues/%2F", params={"columns": "name"}).raise_for_status().json():
                    name = quote(queue["name"], safe="")
                    http.delete(f"/api/queues/%2F/{name}/contents").raise_for_status()
        except httpx.HTTPError as error:
            raise ServerFailed(f"RabbitMQ cannot be emptied: {error}.") from error

    def clean_up(self) -> None:
        """End the node's own name server, which Erlang leaves running; it refuses while a node is up."""
        command = [program("epmd", "rabbitmq-server"), "-kill"]
        environment = base_environment(self.folder) | {"ERL_EPMD_PORT": str(self.epmd_port)}
        subprocess.run(command, env=environment, capture_output=True, check=False)

    @property
    def _scripts(self) -> Path:
        """The real scripts: the packaged ones on PATH switch the user, or refuse."""
        return Path(program("rabbitmq-server", "rabbitmq-server")).resolve().parent

    @property
    def _login(self) -> tuple[str, str]:
        return self.user, self.password

    def _definitions(self) -> dict[str, object]:
        """The user as given, applied at each start, so that a new password needs no manual step."""
        user = {
            "name": self.user,
            "password_hash": _password_hash(self.password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "administrator",
        }
        rights = {"user": self.user, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
        return {"users": [user], "vhosts": [{"name": "/"}], "permissions": [rights]}


def _password_hash(password: str) -> str:
    """RabbitMQ's form: base64(salt + sha256(salt + password)); the salt follows from the password."""
    salt = hashlib.sha256(b"stoa" + password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
