"""The backends' room: which database, cache and broker the services are pointed at, and what has to run for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stoa.credentials import Credentials
from stoa.servers import MariaDb, RabbitMq, Redis, Server
from stoa.settings import Settings


@dataclass(frozen=True)
class Backends:
    """`mysql`, `redis` and `rabbitmq` say where they are found and by which name and password.

    Whether those are processes of this stack, or stand for a cluster behind one address, only the last two know.
    """

    mysql: MariaDb
    redis: Redis
    rabbitmq: RabbitMq
    database: Sequence[Server]
    """What has to be ready before schemas are migrated."""
    others: Sequence[Server]
    """What may get ready meanwhile."""

    @property
    def processes(self) -> list[Server]:
        """Everything that has to run, in the order of its start."""
        return [*self.database, *self.others]


MakeBackends = Callable[[Settings, Credentials], Backends]


def addressed(settings: Settings, credentials: Credentials) -> tuple[MariaDb, Redis, RabbitMq]:
    """One of each at the stack's own ports, whoever answers there."""
    at, port = settings.folder, settings.port_of
    mysql = MariaDb(
        at / "mysql",
        port("mysql"),
        credentials.mysql_root_password,
        credentials.mysql_passwords,
        settings.mysql_buffer_pool_mb,
        settings.mysql_max_connections,
    )
    redis = Redis(at / "redis", port("redis"), settings.redis_memory_mb)
    return mysql, redis, RabbitMq(at / "rabbitmq", port("rabbitmq"), credentials.rabbitmq_password)


def native(settings: Settings, credentials: Credentials) -> Backends:
    """One server of each kind, as processes of this stack."""
    mysql, redis, rabbitmq = addressed(settings, credentials)
    return Backends(mysql, redis, rabbitmq, [mysql], [redis, rabbitmq])
