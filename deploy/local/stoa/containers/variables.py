"""What the description of the containers is told: the settings and secrets that the native stack has too."""

import os
from collections.abc import Mapping
from pathlib import Path

from stoa.containers.choosing import FOLDER
from stoa.credentials import Credentials
from stoa.encryption import files
from stoa.servers import SCHEMAS
from stoa.settings import Settings, others_for_services
from stoa.stack import DRAIN_S

PORT = 8000
"""Of every service inside its container."""
MACHINE = "host.docker.internal"
"""How containers call the machine that they run on (`extra_hosts`)."""
LISTENING_ELSEWHERE = {"run", "docker", "port_base", "replicas", "traces"}
"""Fields of the settings that mean nothing in there."""


def variables(settings: Settings, credentials: Credentials, project: str) -> dict[str, str]:
    """By name, as `deploy/compose.yaml` asks for them."""
    fields = type(settings).model_fields.keys() - LISTENING_ELSEWHERE
    told = {f"STOA_{field.upper()}": str(getattr(settings, field)) for field in fields}
    others = others_for_services(dict(os.environ))
    return others | told | _certificate(settings) | _secrets(credentials) | _addresses(settings, project)


def static(settings: Settings) -> Path:
    """The gateway's static part, which it takes from one source only, with the settings put into it."""
    return settings.folder / FOLDER / "traefik.yaml"


def collector(settings: Settings) -> str:
    """Whom the containers tell of their spans; empty for nobody."""
    return f"http://{MACHINE}:{settings.port_of('traces')}" if settings.traces == "on" else settings.collector


def _certificate(settings: Settings) -> dict[str, str]:
    if settings.tls != "on":
        return {}
    at = files(settings)
    return {"STOA_TLS_CERT": str(at.certificate), "STOA_TLS_KEY": str(at.key)}


def _secrets(credentials: Credentials) -> dict[str, str]:
    shared = {
        "STOA_SECRET_KEY": credentials.secret_key,
        "STOA_WEBHOOK_KEY": credentials.webhook_key,
        "STOA_RABBITMQ_PASSWORD": credentials.rabbitmq_password,
        "STOA_MYSQL_ROOT_PASSWORD": credentials.mysql_root_password,
        "STOA_SISTER_KEYS": credentials.sister_keys,
    }
    databases = {f"STOA_MYSQL_{name.upper()}_PASSWORD": word for name, word in credentials.mysql_passwords.items()}
    keys = {f"STOA_{name.upper()}_SERVICE_KEY": key for name, key in credentials.service_keys.items()}
    return shared | databases | keys


def _addresses(settings: Settings, project: str) -> dict[str, str]:
    """Of replicas each by its own name: one name for all would hide from the gateway which of them is ready."""
    told = {
        "STOA_GATEWAY_STATIC": str(static(settings)),
        "STOA_PUBLIC_URL": settings.outside_url,
        "STOA_MAILBOX_PORT": str(settings.port_of("mailbox")),
        "STOA_TLS_HOST": settings.public_host,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector(settings),
    }
    several = {name: len(settings.replicas_of(name)) for name in SCHEMAS if len(settings.replicas_of(name)) > 1}
    for name, count in several.items():
        own = ",".join(f"http://{project}-{name}-{number}:{PORT}" for number in range(1, count + 1))
        told |= {f"STOA_{name.upper()}_URL": own, f"STOA_{name.upper()}_SERVERS": own}
    return told | ({"STOA_DRAIN_S": str(DRAIN_S)} if several else {})


def as_file(told: Mapping[str, str]) -> str:
    """The same for `--env-file`; nothing in a value is read as a variable."""
    return "".join(f"{name}='{_escaped(value)}'\n" for name, value in sorted(told.items()))


def _escaped(value: str) -> str:
    return value.replace("'", "\\'")
