"""The guard's room: which addresses a webhook may go to, as they are written and as they turn out to be."""

import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

LookUp = Callable[[str, int], list[str]]
"""From a name and a port to addresses, in the order in which they are to be tried. Raises OSError."""
Address = IPv4Address | IPv6Address

PRINTABLE = re.compile(r"[!-\[\]-~]+")
"""What a URL is written with (RFC 3986), and no backslash, which some readers take for a slash."""
NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
"""A host whose last part is one is an IPv4 address to browsers and to the C library, in whatever notation."""
HTTPS_PORT = 443
FIRST_FREE_PORT = 1024
"""Below it only 443: the others belong to services that are not meant (mail, ssh, name servers)."""

GLOBAL_UNICAST = IPv6Network("2000::/3")
TRANSLATED = IPv6Network("64:ff9b::/96")
"""An IPv4 address behind NAT64 (RFC 6052)."""
NEVER = (
    IPv4Network("192.88.99.0/24"),  # the former relays of 6to4 (RFC 7526)
    IPv6Network("2001::/23"),  # special purposes (RFC 2928), Teredo among them, which carries an IPv4 address
    IPv6Network("2002::/16"),  # 6to4, which carries one too
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)
"""Global by the tables that Python knows, and yet nobody's server."""


class Refused(Exception):
    """No webhook goes to this address."""


@dataclass(frozen=True)
class Policy:
    """What is allowed beyond the rule: http in clear, and addresses of this machine and its network."""

    allow_clear: bool = False
    allow_private: bool = False


def checked_url(text: str, policy: Policy) -> str:
    """The address of an endpoint as it is kept. Raises Refused with a sentence that says what to do."""
    if not PRINTABLE.fullmatch(text):
        raise Refused("write the URL in plain ASCII, without spaces and backslashes; a name beyond ASCII in punycode")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused("this is not a URL; send one such as https://example.com/webhooks") from None
    if parts.scheme != "https" and not (policy.allow_clear and parts.scheme == "http"):
        raise Refused("the URL must begin with https://")
    if "@" in parts.netloc or "#" in text:
        raise Refused("the URL must hold neither a user name nor a fragment")
    _check_port(port, policy)
    host = _checked_host(host.removesuffix("."), policy)
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))


def _check_port(port: int | None, policy: Policy) -> None:
    if port is not None and port != HTTPS_PORT and port < FIRST_FREE_PORT and not policy.allow_private:
        raise Refused(f"the port must be {HTTPS_PORT}, or {FIRST_FREE_PORT} or higher")


def _checked_host(host: str, policy: Policy) -> str:
    """The host as it stands in a URL."""
    if ":" in host or NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            address = ip_address(host)
        except ValueError:
            raise Refused("write an IP address in its usual form, such as 203.0.113.7") from None
        if not policy.allow_private and not is_public(address):
            raise Refused("the URL must lead to a public address")
        return f"[{address}]" if address.version == 6 else str(address)
    if not NAME.fullmatch(host):
        raise Refused("the URL needs the name of a host, such as example.com")
    return host


def is_public(address: Address) -> bool:
    """Whether it is somebody's server on the internet; an IPv4 address inside an IPv6 one is looked at itself."""
    if isinstance(address, IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
        if address.scope_id is not None or address not in GLOBAL_UNICAST:
            return False
    if any(address.version == net.version and address in net for net in NEVER):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def addresses_of(host: str, port: int, policy: Policy, look_up: LookUp, seconds: float) -> list[str]:
    """Where the host is at this moment. Raises Refused if any of its addresses is not public, OSError without any.

    Whoever connects must go to one of these and ask no more: a second answer may be another one (DNS rebinding).
    """
    found = _within(seconds, lambda: look_up(host, port))
    if not found:
        raise OSError("the name has no address")
    if not policy.allow_private and not all(is_public(ip_address(each)) for each in found):
        raise Refused("the name leads to an address that is not public")
    return found


def look_up(host: str, port: int) -> list[str]:
    """What the system's resolver says. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _within(seconds: float, work: Callable[[], list[str]]) -> list[str]:
    """What `work` returns, in a thread that is left behind when it takes too long: a resolver cannot be called off."""
    future: Future[list[str]] = Future()
    threading.Thread(target=_settle, args=(future, work), name="look up", daemon=True).start()
    return future.result(timeout=max(seconds, 0))


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
