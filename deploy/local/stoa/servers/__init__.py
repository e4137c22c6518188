"""How each native server is prepared, started, asked whether it is ready, and stopped."""

from stoa.servers.mariadb import MariaDb
from stoa.servers.ports import free_port_block, is_free
from stoa.servers.rabbitmq import RabbitMq
from stoa.servers.redis import Redis
from stoa.servers.running import running
from stoa.servers.server import SCHEMAS, Server, ServerFailed

__all__ = [
    "SCHEMAS",
    "MariaDb",
    "RabbitMq",
    "Redis",
    "Server",
    "ServerFailed",
    "free_port_block",
    "is_free",
    "running",
]
