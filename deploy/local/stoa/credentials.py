"""The stack's secrets: made at random at the first start, kept in the run folder, overruled by the environment."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.service_tokens import new_service_key, public_half
from stoa.holding import held
from stoa.servers import SCHEMAS
from stoa.servers.server import write
from stoa.settings import Settings


@dataclass(frozen=True)
class Credentials:
    """What the servers and services share, and nobody else."""

    secret_key: str
    webhook_key: str
    rabbitmq_password: str
    mysql_root_password: str
    mysql_passwords: Mapping[str, str]
    service_keys: Mapping[str, str]
    """By service: the key with which it shows its sisters who is calling."""

    @property
    def sister_keys(self) -> str:
        """The public halves of all, as `STOA_SISTER_KEYS` takes them."""
        return sister_keys(self.service_keys)


def sister_keys(service_keys: Mapping[str, str]) -> str:
    """The public halves of these keys, as `STOA_SISTER_KEYS` takes them."""
    return " ".join(f"{name}={public_half(key)}" for name, key in service_keys.items())


def read_credentials(settings: Settings) -> Credentials:
    """Take each secret from the settings if given there, else from the file, else make it and write it down."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with held(settings.folder):  # two first calls do not make secrets of their own each
        kept = _kept(settings.folder / "secrets.json")
    given = {name: getattr(settings, name) for name in kept if getattr(settings, name)}
    known = kept | given
    return Credentials(
        secret_key=known["secret_key"],
        webhook_key=known["webhook_key"],
        rabbitmq_password=known["rabbitmq_password"],
        mysql_root_password=known["mysql_root_password"],
        mysql_passwords={schema: known[f"mysql_{schema}_password"] for schema in SCHEMAS},
        service_keys={name: known[f"{name}_service_key"] for name in SCHEMAS},
    )


def _kept(path: Path) -> dict[str, str]:
    passwords = ["secret_key", "webhook_key", "rabbitmq_password", "mysql_root_password"]
    passwords += [f"mysql_{name}_password" for name in SCHEMAS]
    old: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    new = {name: old.get(name) or secrets.token_urlsafe(36) for name in passwords}
    new |= {name: old.get(name) or new_service_key() for name in (f"{schema}_service_key" for schema in SCHEMAS)}
    if new != old:
        write(path, json.dumps(new, indent=2) + "\n")
    return new
