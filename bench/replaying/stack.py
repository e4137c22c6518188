"""Where the running stack is: the gateway, and behind it what only an operator may ask."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from replaying.gateway import START
from replaying.stop import Stop
from stoa.credentials import read_credentials
from stoa.encryption import trusted
from stoa.settings import BadSettings, read_settings

SERVICES = ("auth", "catalog", "cart", "orders", "notifier", "realtime")
RABBITMQ_USER = "stoa"


@dataclass(frozen=True)
class Stack:
    """Addresses and keys of one running stack."""

    url: str
    services: Mapping[str, str]
    queues_url: str
    queues_login: tuple[str, str]
    mailbox_url: str
    admin: tuple[str, str]
    trusted: ssl.SSLContext | bool = True


def find_stack(url: str | None, admin_username: str | None, admin_password: str | None) -> Stack:
    """The local stack as its settings describe it; what is given comes first. Raises Stop."""
    try:
        settings = read_settings()
    except BadSettings as error:
        raise Stop(str(error)) from None
    if not (settings.folder / "secrets.json").exists():
        raise Stop(f"There is no stack in {settings.folder}; start one with `{START}`.")
    return Stack(
        url=url or settings.url,
        services={name: settings.address_of(name) for name in SERVICES},
        queues_url=settings.address_of("rabbitmq management"),
        queues_login=(RABBITMQ_USER, read_credentials(settings).rabbitmq_password),
        mailbox_url=settings.address_of("mailbox"),
        admin=(admin_username or settings.admin_username, admin_password or settings.admin_password),
        trusted=trusted(settings) if url in (None, settings.url) else True,
    )
