"""A gateway for the tests: real Traefik and the real portal before six tiny services that say what they were asked."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from common.testing.waiting import eventually
from stoa.servers import free_port_block, running
from stoa.servers.gateway import Gateway
from stoa.servers.server import base_environment
from stoa.settings import ROOT
from stoa.stack import SERVICES, Web, uvicorn_command

NAMES = [service.name for service in SERVICES]


@dataclass
class Tiny:
    """A service that echoes; `?code=` makes it answer with that status and its own words."""

    name: str
    port: int
    _server: uvicorn.Server = field(init=False)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        config = uvicorn.Config(self, port=self.port, log_level="critical", ws="websockets-sansio", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))
        self._thread.start()
        eventually(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._echo_socket(receive, send)
            return
        body = await _whole(receive)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        status = int(query.removeprefix("code=")) if query.startswith("code=") else 200
        said = {"service": self.name, "path": scope["path"], "bytes": len(body), "headers": headers}
        answer_headers = [(b"content-type", b"application/json"), (b"retry-after", b"77"), (b"server", b"tiny")]
        await send({"type": "http.response.start", "status": status, "headers": answer_headers})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    async def _echo_socket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


async def _whole(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


@dataclass
class Front:
    """A running gateway with what stands behind it."""

    url: str
    gateway: Gateway
    services: dict[str, Tiny]
    http: httpx.Client


@contextmanager
def _front(folder: Path, **variables: str) -> Iterator[Front]:
    base = free_port_block(10)
    addresses = {name: f"http://127.0.0.1:{base + place}" for place, name in enumerate(NAMES)}
    portal_at = f"http://127.0.0.1:{base + 6}"
    urls = {f"STOA_{name.upper()}_URL": address for name, address in addresses.items()}
    servers = {f"STOA_{name.upper()}_SERVERS": address for name, address in (addresses | {"portal": portal_at}).items()}
    portal = Web(
        "portal",
        uvicorn_command("portal.main:build", base + 6, 5, ("--ws", "none")),
        base_environment(folder) | urls,
        folder / "portal.log",
        folder,
        base + 6,
    )
    gateway = Gateway(folder, "127.0.0.1", base + 7, base + 8, ROOT / "gateway", servers | variables)
    services = {name: Tiny(name, base + place) for place, name in enumerate(NAMES)}
    url = f"http://127.0.0.1:{base + 7}"
    with ExitStack() as stack:
        for service in services.values():
            service.start()
            stack.callback(service.stop)
        stack.enter_context(running(portal))
        stack.enter_context(running(gateway))
        http = stack.enter_context(httpx.Client(base_url=url, timeout=20, trust_env=False))
        eventually(lambda: http.get("/api/health/").status_code == 200)
        yield Front(url, gateway, services, http)


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The gateway without rate limits."""
    with _front(tmp_path_factory.mktemp("front"), STOA_RATE_LIMITS="off") as front:
        yield front


@pytest.fixture(scope="session")
def strict_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The gateway with narrow rate limits."""
    narrow = {
        "STOA_LIMIT_GENERAL_PER_SECOND": "1",
        "STOA_LIMIT_GENERAL_BURST": "30",
        "STOA_LIMIT_LOGIN_PER_MINUTE": "12",
        "STOA_LIMIT_LOGIN_BURST": "3",
    }
    with _front(tmp_path_factory.mktemp("strict"), **narrow) as front:
        yield front
