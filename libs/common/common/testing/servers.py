"""The servers' room: a real database, broker and cache for the tests, in containers where Docker answers, else native.

The native ones are started by the same code as `make up`.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from sqlalchemy import URL, create_engine, make_url, text

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of a name that nobody can foretell is made there
MEMORY_WANTED = 4 * 2**30
"""Free bytes; what a run of all tests keeps there is less than one of the four."""
ASKED_S = 10
IMPATIENCE_S = 0.5
"""A broker that is thrown away need not close its queues, which takes it 6 s."""


@dataclass(frozen=True)
class Servers:
    """Where the servers answer; `mysql` is a URL with all rights."""

    mysql: str
    broker: str
    management: str
    redis: str


def docker_answers() -> bool:
    """Whether containers can be started here; STOA_TEST_SERVERS=native says no without asking."""
    if os.environ.get("STOA_TEST_SERVERS", "") == "native":
        return False
    try:
        with closing(docker.from_env(timeout=ASKED_S)) as engine:
            return bool(engine.ping())
    except docker.errors.DockerException:
        return False


@contextmanager
def started() -> Iterator[Servers]:
    """Start all three and stop them at the end."""
    with ExitStack() as stack:
        yield _containers(stack) if docker_answers() else _native(stack)


def _containers(stack: ExitStack) -> Servers:
    from testcontainers.community.mysql import MySqlContainer
    from testcontainers.community.rabbitmq import RabbitMqContainer
    from testcontainers.community.redis import RedisContainer

    mysql = stack.enter_context(MySqlContainer("mysql:8.4", dialect="pymysql", username="root"))
    rabbit = stack.enter_context(RabbitMqContainer("rabbitmq:4-management").with_exposed_ports(15672))
    redis = stack.enter_context(RedisContainer("redis:8"))
    broker = (
        f"amqp://{rabbit.username}:{rabbit.password}@{rabbit.get_container_host_ip()}:"
        f"{rabbit.get_exposed_port(rabbit.port)}/%2F"
    )
    address = f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(redis.port)}/0"
    management = f"http://{rabbit.get_container_host_ip()}:{rabbit.get_exposed_port(15672)}"
    return Servers(mysql.get_connection_url(), broker, management, address)


def _native(stack: ExitStack) -> Servers:
    from stoa.servers import MariaDb, RabbitMq, Redis, free_port_block, running

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stoa-tests-", dir=place())))
    base = free_port_block(10)
    password = secrets.token_hex(8)
    mysql = stack.enter_context(running(MariaDb(folder / "mysql", base, password)))
    redis = stack.enter_context(running(Redis(folder / "redis", base + 1)))
    rabbit = stack.enter_context(running(RabbitMq(folder / "rabbit", base + 2, password), patience=IMPATIENCE_S))
    return Servers(mysql.root_url(), rabbit.url(), rabbit.management_url, redis.url())


def place() -> Path | None:
    """In memory where there is plenty, so that no test waits for a disk that is busy with something else."""
    try:
        plenty = shutil.disk_usage(MEMORY).free >= MEMORY_WANTED
    except OSError:
        return None
    return MEMORY if plenty and os.access(MEMORY, os.W_OK) else None


def fresh_schema(servers: Servers, name: str) -> str:
    """The URL of an empty schema, collated as in production."""
    schema = f"{name}_{secrets.token_hex(4)}"
    engine = create_engine(servers.mysql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"))
    engine.dispose()
    url: URL = make_url(servers.mysql).set(database=schema)
    return url.render_as_string(hide_password=False)
