"""Every port and limit of the local stack; read from the environment and from `.env` at the checkout's root.

`.env.example` explains each variable; a test keeps the two alike.
"""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[3]

OFFSETS = {
    "gateway operations": 0,
    "auth": 1,
    "catalog": 2,
    "cart": 3,
    "orders": 4,
    "notifier": 5,
    "realtime": 6,
    "portal": 7,
    "mysql": 10,
    "redis": 11,
    "rabbitmq": 12,
    "rabbitmq management": 13,
    "rabbitmq metrics": 14,
    "rabbitmq distribution": 15,
    "rabbitmq names": 16,
    "mailbox smtp": 20,
    "mailbox": 21,
    "traces": 22,
}
"""Where in the block of ports each listener stands, counted from STOA_PORT_BASE."""
REPLICAS_FROM, REPLICAS_STEP = 40, 10
"""Second replicas stand so far behind the first of their service, third ones a step further, and so on."""
MOST_REPLICAS = 5
PORTS = REPLICAS_FROM + (MOST_REPLICAS - 1) * REPLICAS_STEP
"""How long the block is."""
REPLICATED = rf"(auth|catalog|cart|orders|notifier|realtime|catalog-worker|notifier-worker)=[1-{MOST_REPLICAS}]"

DEMO_ADMIN_PASSWORD = "colonnade-17-agora"  # noqa: S105 - printed at each start, refused in production
DEMO_CUSTOMER_PASSWORD = "olive-market-42"  # noqa: S105 - printed at each start, absent in production

Switch = Literal["on", "off"]

ORIGIN = r"https?://[a-z0-9.-]+(:[0-9]{1,5})?"
"""As browsers write it (RFC 6454, section 6.2): lower case, no path, no closing slash."""


class BadSettings(Exception):
    """Settings that cannot be used; the text is one sentence."""


class Settings(BaseSettings):
    """Variables are named `STOA_` + field."""

    model_config = SettingsConfigDict(env_prefix="STOA_", env_file=ROOT / ".env", extra="ignore", frozen=True)

    env: Literal["development", "test", "production"] = "development"
    docker: Literal["auto", "on", "off"] = "auto"
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    port_base: int = Field(18100, ge=1024, le=65000)
    run: Path = Path(".run")
    public_url: str = ""
    cors_origins: str = Field("", pattern=rf"^({ORIGIN}(, *{ORIGIN})*)?$")
    tls: Literal["off", "on", "acme"] = "off"
    tls_cert: str = ""
    tls_key: str = ""
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    mail_from: str = "Stoa <shop@stoa.example>"
    traces: str = Field("off", pattern=r"^(off|on|https?://\S+)$")

    rate_limits: Switch = "on"
    limit_general_per_second: int = Field(100, gt=0)
    limit_general_burst: int = Field(200, gt=0)
    limit_login_per_minute: int = Field(20, gt=0)
    limit_login_burst: int = Field(10, gt=0)
    limit_otp_per_minute: int = Field(20, gt=0)
    limit_otp_burst: int = Field(15, gt=0)
    limit_register_per_minute: int = Field(10, gt=0)
    limit_register_burst: int = Field(10, gt=0)
    limit_upload_per_minute: int = Field(10, gt=0)
    limit_upload_burst: int = Field(5, gt=0)
    limit_in_flight: int = Field(100, gt=0)
    limit_sockets: int = Field(20, gt=0)
    max_body_bytes: int = Field(256 * 1024, gt=0)
    max_auth_body_bytes: int = Field(16 * 1024, gt=0)
    max_upload_bytes: int = Field(50 * 1024 * 1024, gt=0)
    read_timeout_s: int = Field(300, gt=0)
    answer_timeout_s: int = Field(60, gt=0)

    replicas: str = Field("", pattern=rf"^({REPLICATED}( {REPLICATED})*)?$")
    mysql_buffer_pool_mb: int = Field(128, gt=0)
    mysql_max_connections: int = Field(300, gt=0)
    redis_memory_mb: int = Field(128, gt=0)
    log_megabytes: int = Field(10, gt=0)
    disk_minimum_mb: int = Field(500, ge=0)
    start_limit_s: int = Field(180, gt=0)

    demo: Switch = "on"
    admin_username: str = "admin"
    admin_email: str = "admin@stoa.example"
    admin_password: str = DEMO_ADMIN_PASSWORD
    customer_username: str = "demo"
    customer_email: str = "demo@stoa.example"
    customer_password: str = DEMO_CUSTOMER_PASSWORD

    secret_key: str = ""
    webhook_key: str = ""
    rabbitmq_password: str = ""
    mysql_root_password: str = ""
    mysql_auth_password: str = ""
    mysql_catalog_password: str = ""
    mysql_cart_password: str = ""
    mysql_orders_password: str = ""
    mysql_notifier_password: str = ""
    mysql_realtime_password: str = ""
    auth_service_key: str = ""
    catalog_service_key: str = ""
    cart_service_key: str = ""
    orders_service_key: str = ""
    notifier_service_key: str = ""
    realtime_service_key: str = ""

    @model_validator(mode="after")
    def _refuse_what_endangers_production(self) -> Self:
        if self.secret_key and len(self.secret_key) < 32:
            raise ValueError("STOA_SECRET_KEY needs at least 32 characters")
        if self.webhook_key and len(self.webhook_key) < 32:
            raise ValueError("STOA_WEBHOOK_KEY needs at least 32 characters")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("STOA_TLS_CERT and STOA_TLS_KEY belong together")
        if self.tls == "acme" and not self.public_host:
            raise ValueError("STOA_TLS=acme needs the name that the certificate is for, in STOA_PUBLIC_URL")
        if self.env == "production":
            if self.rate_limits == "off":
                raise ValueError("STOA_RATE_LIMITS=off is for load tests and refused in production")
            if self.tls == "off" and not self.public_url.startswith("https://"):
                raise ValueError(
                    "production speaks https: set STOA_TLS, or the https STOA_PUBLIC_URL of a proxy before it"
                )
            if self.admin_password == DEMO_ADMIN_PASSWORD:
                raise ValueError("production needs an STOA_ADMIN_PASSWORD of its own")
        return self

    @property
    def folder(self) -> Path:
        """Where everything that runs keeps its files."""
        return (ROOT / self.run).absolute()

    @property
    def url(self) -> str:
        """The gateway as a client on this machine reaches it."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 - compared, not bound
        return f"{'http' if self.tls == 'off' else 'https'}://{host}:{self.port}"

    @property
    def outside_url(self) -> str:
        """The gateway as links in mails and lists name it."""
        return (self.public_url or self.url).rstrip("/")

    @property
    def public_host(self) -> str:
        """The name in STOA_PUBLIC_URL, if one is given."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def with_demo(self) -> bool:
        """Whether a demo customer and catalogue are made; never in production."""
        return self.demo == "on" and self.env != "production"

    def replicas_of(self, name: str) -> list[str]:
        """The names of a service's or worker's processes: orders, orders-2, …"""
        numbers = dict(each.split("=") for each in self.replicas.split())
        return [name, *(f"{name}-{number}" for number in range(2, int(numbers.get(name, 1)) + 1))]

    @property
    def collector(self) -> str:
        """Whom all processes tell of their spans; empty for nobody."""
        return {"off": "", "on": self.address_of("traces")}.get(self.traces, self.traces.rstrip("/"))

    def port_of(self, listener: str) -> int:
        """The port of one of `OFFSETS`, or of a further replica of it."""
        if listener in OFFSETS:
            return self.port_base + OFFSETS[listener]
        name, _, number = listener.rpartition("-")
        return self.port_of(name) + REPLICAS_FROM + (int(number) - 2) * REPLICAS_STEP

    def address_of(self, listener: str) -> str:
        """The HTTP address of one of `OFFSETS`, or of a further replica of it."""
        return f"http://127.0.0.1:{self.port_of(listener)}"

    def addresses_of(self, name: str) -> str:
        """Those of all replicas, with commas between them."""
        return ",".join(map(self.address_of, self.replicas_of(name)))


def read_settings() -> Settings:
    """Read and check; what cannot be used becomes one sentence."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        text = first["msg"].removeprefix("Value error, ")
        name = "_".join(["STOA", *(str(part).upper() for part in first["loc"])])
        raise BadSettings(f"{text}." if not first["loc"] else f"{name}: {text}.") from None


def others_for_services(environment: dict[str, str]) -> dict[str, str]:
    """Variables with our prefix that the stack itself does not know: the services' own, handed on as they are."""
    known = {f"STOA_{field.upper()}" for field in Settings.model_fields}
    written = {key: value or "" for key, value in dotenv_values(ROOT / ".env").items()}
    given = {**written, **environment}
    return {key: value for key, value in given.items() if key.startswith("STOA_") and key not in known}
