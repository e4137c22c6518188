"""What the local stack consists of, and what each of its processes is told."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stoa import encryption
from stoa.backends import MakeBackends, native
from stoa.credentials import Credentials
from stoa.marks import MARK
from stoa.operating import Way
from stoa.preflight import NotNow
from stoa.processes import Migration, Web, Worker, code_of, digest_of, uvicorn_command
from stoa.servers import SCHEMAS, Server
from stoa.servers.gateway import Gateway
from stoa.servers.mailbox import Mailbox
from stoa.servers.server import base_environment, yielding
from stoa.settings import ROOT, Settings, others_for_services


@dataclass(frozen=True)
class Service:
    """One service as the stack sees it; `worker` are the options of its Celery worker, if it has one."""

    name: str
    grace_s: int = 20
    web: Sequence[str] = ()
    worker: Sequence[str] = ()


ADDRESS = re.compile(r"(\b127\.0\.0\.1:)(\d+)\b")
NOTIFIER_THREADS = 8
"""What notifier's worker sends at once: mails and visits of webhooks."""

DRAIN_S = 3
"""How long a replica that ends still answers; the gateway looks at each every second (`gateway/routes.yaml`)."""

SERVICES = (
    Service("auth"),
    Service("catalog", worker=("--pool", "prefork", "--concurrency", "1")),
    Service("cart"),
    Service("orders"),
    Service("notifier", worker=("--pool", "threads", "--concurrency", str(NOTIFIER_THREADS))),
    Service(
        "realtime",
        grace_s=10,
        web=(
            *("--ws", "websockets-sansio", "--ws-ping-interval", "20", "--ws-ping-timeout", "20"),
            *("--ws-max-size", "65536", "--ws-max-queue", "16", "--ws-per-message-deflate", "false"),
        ),
    ),
)


@dataclass
class Stack:
    """Every process of the local stack, made from the settings and the secrets."""

    settings: Settings
    credentials: Credentials
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    detours: Mapping[str, int] = field(default_factory=dict)
    """By listener, the port at which services find it instead: whoever tests faults may stand in between."""
    backends: MakeBackends = native
    """Where database, cache and broker come from."""
    places: Mapping[str, Path] = field(default_factory=dict)
    """By service, the folder of another release of it that is run instead of this one's."""

    def __post_init__(self) -> None:
        at, port = self.settings.folder, self.settings.port_of
        self._backends = self.backends(self.settings, self.credentials)
        self.mysql, self.redis, self.rabbitmq = self._backends.mysql, self._backends.redis, self._backends.rabbitmq
        self.mailbox = Mailbox(at / "mailbox", port("mailbox smtp"), port("mailbox"), ROOT / ".venv-mailbox")
        self.gateway = Gateway(
            at / "gateway",
            self.settings.host,
            self.settings.port,
            port("gateway operations"),
            ROOT / "gateway",
            self._gateway_variables(),
            self.settings.read_timeout_s,
            self.settings.collector,
        )
        self.web = [self._web(service, name) for service in SERVICES for name in self._replicas(service.name)]
        self.workers = [
            self._worker(service, name)
            for service in SERVICES
            if service.worker
            for name in self._replicas(f"{service.name}-worker")
        ]
        self.portal = self._portal()
        self.migrations = [self._migration(service) for service in SERVICES]

    def servers(self) -> list[Server]:
        """What is started first, all at once."""
        return self._backends.processes

    def database(self) -> list[Server]:
        """Those of them that have to be ready before the schemas are migrated."""
        return [*self._backends.database]

    def applications(self) -> list[Server]:
        """What is started when the servers are ready and the schemas migrated."""
        return [*self.web, *self.workers, self.mailbox, self.portal]

    def everything(self) -> list[Server]:
        """All long-running processes, in the order of their start."""
        return [*self.servers(), *self.applications(), self.gateway]

    def replaceable(self, names: Sequence[str]) -> list[Server]:
        """The processes of our own that go by these names, in the order of the stack; all without a name.

        Raises NotNow for what is no service.
        """
        known: list[Server] = [*self.web, *self.workers, self.portal]
        if strange := set(names).difference(*map(_names_of, known)):
            raise NotNow(f"There is no service {min(strange)}; there are: {', '.join(SCHEMAS)}, portal.")
        return [each for each in known if not names or _names_of(each) & set(names)]

    def way_to(self, service: str) -> Way:
        """How a service's own commands are called, as the service itself runs."""
        commands = [sys.executable, "-m", f"{service}.commands"]
        return Way(commands, self.service_environment(service), ROOT / "services" / service)

    def service_environment(self, name: str) -> dict[str, str]:
        """What one service reads: the addresses of all, its own schema, its own secrets."""
        settings = self.settings
        shared = {
            "STOA_ENV": settings.env,
            "STOA_DATABASE_URL": self.mysql.url(name),
            "STOA_BROKER_URL": self.rabbitmq.url(),
            "STOA_REDIS_URL": self.redis.url(),
            "STOA_SERVICE_KEY": self.credentials.service_keys[name],
            "STOA_SISTER_KEYS": self.credentials.sister_keys,
            "STOA_PUBLIC_URL": settings.outside_url,
            "STOA_CURRENCY": settings.currency,
            "STOA_LOG_LEVEL": settings.log_level,
            "STOA_MAX_BODY_BYTES": str(settings.max_body_bytes),
            "STOA_DRAIN_S": str(DRAIN_S if len(settings.replicas_of(name)) > 1 else 0),
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",  # glibc gives each thread an arena of its own, which holds on to memory
        }
        if settings.collector:
            shared["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.collector
        others = others_for_services(dict(self.environment))
        home = base_environment(settings.folder / "home")
        own = shared | self._sisters() | self._own(name)
        return home | others | {variable: self._by_detour(value) for variable, value in own.items()}

    def _by_detour(self, value: str) -> str:
        """The same with each address that has a detour replaced by it."""
        other = {str(self.settings.port_of(name)): str(port) for name, port in self.detours.items()}
        return ADDRESS.sub(lambda found: found[1] + other.get(found[2], found[2]), value)

    def _sisters(self) -> dict[str, str]:
        return {f"STOA_{one.name.upper()}_URL": self.settings.addresses_of(one.name) for one in SERVICES}

    def _place(self, name: str) -> Path:
        return self.places.get(name, ROOT / "services" / name)

    def _replicas(self, name: str) -> list[str]:
        return self.settings.replicas_of(name)

    def _own(self, name: str) -> dict[str, str]:
        settings = self.settings
        own = {
            "auth": {
                "STOA_SECRET_KEY": self.credentials.secret_key,
                "STOA_MAX_BODY_BYTES": str(settings.max_auth_body_bytes),
            },
            "catalog": {
                "STOA_UPLOAD_DIR": str(settings.folder / "uploads"),
                "STOA_MAX_UPLOAD_BYTES": str(settings.max_upload_bytes),
            },
            "notifier": {
                "STOA_SMTP_URL": f"smtp://127.0.0.1:{settings.port_of('mailbox smtp')}",
                "STOA_MAIL_FROM": settings.mail_from,
                "STOA_WEBHOOK_KEY": self.credentials.webhook_key,
            },
            "realtime": {
                "STOA_CORS_ORIGINS": settings.cors_origins,
                "STOA_RATE_LIMITS": settings.rate_limits,
                "STOA_LIMIT_SOCKETS": str(settings.limit_sockets),
            },
        }
        return own.get(name, {})

    def _web(self, service: Service, name: str) -> Web:
        port, place = self.settings.port_of(name), self._place(service.name)
        return Web(
            name,
            uvicorn_command(f"{service.name}.main:build", port, service.grace_s, service.web),
            self.service_environment(service.name) | {"STOA_CODE": code_of(service.name, place)},
            self.log(name),
            place,
            port,
        )

    def _worker(self, service: Service, name: str) -> Worker:
        celery = [sys.executable, "-m", "celery", "-A", f"{service.name}.tasks:celery", "worker", *service.worker]
        calm = ["--without-gossip", "--without-mingle", "--loglevel", self.settings.log_level]
        place = self._place(service.name)
        return Worker(
            name,
            yielding([*celery, *calm, "-n", f"{name}@%h"]),
            self.service_environment(service.name) | {"STOA_CODE": code_of(service.name, place)},
            self.log(name),
            place,
            f"{service.name}.jobs",
            self.rabbitmq,
        )

    def _migration(self, service: Service) -> Migration:
        return Migration(
            service.name,
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            self.service_environment(service.name) | {MARK: str(self.settings.folder)},
            self._place(service.name),
            self.log(f"{service.name}-migration"),
        )

    def _portal(self) -> Web:
        folder = ROOT / "gateway" / "portal"
        home = base_environment(self.settings.folder / "home")
        own = {"PYTHONUNBUFFERED": "1", "STOA_CODE": digest_of(folder, ROOT / "libs" / "common")}
        return Web(
            "portal",
            uvicorn_command("portal.main:build", self.settings.port_of("portal"), 5, ("--ws", "none")),
            home | self._sisters() | own,
            self.log("portal"),
            folder,
            self.settings.port_of("portal"),
        )

    def _gateway_variables(self) -> dict[str, str]:
        names = [service.name for service in SERVICES] + ["portal"]
        servers = {f"STOA_{name.upper()}_SERVERS": self.settings.addresses_of(name) for name in names}
        figures = ("env", "rate_limits", "max_body_bytes", "max_auth_body_bytes", "answer_timeout_s", "cors_origins")
        limits = (name for name in type(self.settings).model_fields if name.startswith("limit_"))
        told = {f"STOA_{name.upper()}": str(getattr(self.settings, name)) for name in (*figures, *limits)}
        return servers | told | encryption.variables(self.settings)

    def log(self, name: str) -> Path:
        """Where a process of this name writes what it says."""
        return self.settings.folder / "log" / f"{name}.log"


def _names_of(process: Server) -> set[str]:
    """Its own, and that of the service which it is a replica or the worker of."""
    return {process.name, process.name.split("-")[0]}
