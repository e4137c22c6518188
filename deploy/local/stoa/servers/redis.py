"""Redis as Stoa runs it: in memory, nothing evicted behind our back."""

from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from stoa.servers.server import base_environment, program


@dataclass
class Redis:
    """One Redis on the loopback interface."""

    folder: Path
    port: int
    memory_mb: int = 128
    name: str = "redis"

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @property
    def log(self) -> Path:
        return self.folder / "redis.log"

    @property
    def ports(self) -> list[int]:
        return [self.port]

    @property
    def command(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "maxmemory": f"{self.memory_mb}mb",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",
            "daemonize": "no",
        }
        pairs = [part for key, value in options.items() for part in (f"--{key}", value)]
        return [program("redis-server", "redis-server"), *pairs]

    @property
    def environment(self) -> dict[str, str]:
        return base_environment(self.folder)

    def url(self, database: int = 0) -> str:
        """Give the URL of one numbered database."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def ready(self) -> bool:
        client = redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=2, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def empty(self) -> None:
        """Forget everything."""
        with redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=30) as client:
            client.flushall()

    def clean_up(self) -> None:
        """Redis leaves nothing behind."""
