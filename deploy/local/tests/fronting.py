"""A gateway for the tests: real Traefik and the real portal before tiny services, and words for what is asked of it."""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from common.testing.waiting import eventually
from stoa.processes import Web, uvicorn_command
from stoa.servers import free_port_block, running
from stoa.servers.gateway import Gateway
from stoa.servers.server import base_environment
from stoa.settings import ROOT
from stoa.stack import SERVICES

from .tiny import Tiny

NAMES = [service.name for service in SERVICES]
FILES = ROOT / "gateway"
Json = dict[str, Any]


@dataclass
class Front:
    """A running gateway with what stands behind it."""

    url: str
    gateway: Gateway
    services: dict[str, Tiny]
    http: httpx.Client

    @property
    def sockets(self) -> str:
        """The same for WebSockets."""
        return f"ws{self.url.removeprefix('http')}"

    @property
    def access_log(self) -> list[Json]:
        """What the gateway has written about requests, oldest first."""
        lines = self.gateway.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def reported(self, kind: str) -> list[Json]:
        """What Traefik says it has loaded: `routers`, `services` or `middlewares`."""
        answer = httpx.get(f"{self.gateway.ops_url}/api/http/{kind}?per_page=1000", trust_env=False)
        return list(answer.json())

    def raw(self, text: str | bytes) -> bytes:
        """All that comes back for these bytes, which nobody tidies up on the way, until the gateway hangs up."""
        with self.line() as line:
            line.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
            return until_hung_up(line)

    def line(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.gateway.port), timeout=30)

    def forget(self) -> None:
        """Let the services begin to count anew."""
        for service in self.services.values():
            service.heard.clear()

    def heard(self) -> dict[str, list[str]]:
        """What has reached which service since then."""
        return {name: list(service.heard.elements()) for name, service in self.services.items() if service.heard}


@contextmanager
def fronting(
    folder: Path,
    *,
    files: Path = FILES,
    read_timeout_s: int = 300,
    replicas: Mapping[str, str] | None = None,
    trusted: ssl.SSLContext | bool = True,
    **variables: str,
) -> Iterator[Front]:
    """A gateway with these variables; `replicas` names further services and whose replica each is."""
    replicas = replicas or {}
    base = free_port_block(len(NAMES) + len(replicas) + 3)
    portal_at, web, ops, first = base, base + 1, base + 2, base + 3
    services = {name: Tiny(name, first + place) for place, name in enumerate([*NAMES, *replicas])}
    addresses = {name: f"http://127.0.0.1:{service.port}" for name, service in services.items()}
    servers = {"STOA_PORTAL_SERVERS": f"http://127.0.0.1:{portal_at}"}
    for name in NAMES:
        others = [addresses[other] for other, owner in replicas.items() if owner == name]
        servers[f"STOA_{name.upper()}_SERVERS"] = ",".join([addresses[name], *others])
    gateway = Gateway(folder, "127.0.0.1", web, ops, files, servers | variables, read_timeout_s)
    url = f"{'http' if variables.get('STOA_TLS', 'off') == 'off' else 'https'}://127.0.0.1:{web}"
    with ExitStack() as stack:
        for service in services.values():
            service.start()
            stack.callback(service.stop)
        stack.enter_context(running(_portal(folder, portal_at, addresses)))
        stack.enter_context(running(gateway))
        http = stack.enter_context(httpx.Client(base_url=url, timeout=20, verify=trusted, trust_env=False))
        eventually(lambda: _are_all_served(http))
        yield Front(url, gateway, services, http)


def problem(answer: httpx.Response, status: int, code: str) -> Json:
    """The body of a refusal in the gateway's words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: Json = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def until_hung_up(line: socket.socket) -> bytes:
    """All that comes on this connection."""
    heard = b""
    try:
        while more := line.recv(65536):
            heard += more
    except ConnectionResetError:
        pass
    return heard


def _portal(folder: Path, port: int, addresses: Mapping[str, str]) -> Web:
    urls = {f"STOA_{name.upper()}_URL": address for name, address in addresses.items()}
    command = uvicorn_command("portal.main:build", port, 5, ("--ws", "none"))
    return Web("portal", command, base_environment(folder) | urls, folder / "portal.log", folder, port)


def _are_all_served(http: httpx.Client) -> bool:
    return http.get("/api/health/").status_code == 200
