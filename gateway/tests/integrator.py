"""Somebody else's computer, as far as Stoa is concerned: hears webhooks and keeps what it was sent."""

import base64
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Thread

import orjson

from common.testing.sisters import CrowdServer

from .people import Json
from .site import Site


@dataclass(frozen=True)
class Told:
    """A POST as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Json:
        """What it tells."""
        event: Json = orjson.loads(self.body)
        return event

    def is_signed_with(self, secret: str) -> bool:
        """As an integrator checks it, by the text of Standard Webhooks 1.0."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
        return f"v1,{base64.b64encode(mac).decode()}" in self.headers["webhook-signature"].split()


@dataclass
class Integrator:
    """Answers each POST with 204."""

    url: str = ""
    told: list[Told] = field(default_factory=list)

    def told_of(self, order: str) -> list[Told]:
        """What came about this order, in the order in which it came."""
        return [told for told in self.told if told.event["subject"] == order]


@contextmanager
def listening(site: Site) -> Iterator[Integrator]:
    """An integrator on a free port of this machine, which the site can visit, until the block ends."""
    integrator = Integrator()

    class Clerk(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            integrator.told.append(Told({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """It talks to nobody."""

    with CrowdServer((site.listening_on, 0), Clerk) as server:
        integrator.url = f"http://{site.machine}:{server.server_address[1]}/stoa"
        Thread(target=server.serve_forever, daemon=True).start()
        yield integrator
        server.shutdown()
