"""An integrator's server of a few lines: keeps what it is sent, and answers what it is told to."""

import base64
import datetime
import hmac
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from common.testing.sisters import CrowdServer

NAME = "hooks.example.com"
"""What the certificate is for."""


@dataclass(frozen=True)
class Request:
    """A POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_with(self, secret: str) -> bool:
        """By the arithmetic of Standard Webhooks, done anew here."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, sha256).digest()
        return f"v1,{base64.b64encode(mac).decode()}" in self.headers["webhook-signature"].split(" ")


Answer = Callable[[BaseHTTPRequestHandler], None]
"""Writes an answer, or not."""


def says(status: int, text: str = "", **headers: str) -> Answer:
    """A plain answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


@dataclass
class Integrator:
    """`answer` may be changed while it serves; `meanwhile` happens between the arrival of a request and its answer."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: says(204))
    meanwhile: Callable[[], object] = lambda: None
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks?shop=stoa"

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each request, in the order in which they came."""
        return [request.headers["webhook-id"] for request in self.requests]

    @classmethod
    @contextmanager
    def opened(cls, tls: ssl.SSLContext | None = None) -> "Iterator[Integrator]":
        """Serve on a free loopback port until the end of the block."""
        integrator = cls(scheme="https" if tls else "http")

        class Clerk(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                integrator.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                integrator.requests.append(Request(self.path, headers, body))
                integrator.meanwhile()
                with suppress(OSError):
                    integrator.answer(self)

            def log_message(self, *_: object) -> None:
                """It talks to nobody."""

        class Server(CrowdServer):
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """A client that hangs up is none of its business."""

        with Server(("127.0.0.1", 0), Clerk) as server:
            if tls:
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            integrator.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            yield integrator
            server.shutdown()
            thread.join()


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server for NAME and 127.0.0.1 is wrapped in, and what a client that trusts it and nobody else is."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))])
    today = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(today - datetime.timedelta(days=1))
    made = made.not_valid_after(today + datetime.timedelta(days=1)).add_extension(names, critical=False)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(private + certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    client = ssl.create_default_context(cadata=certificate.decode())
    return server, client
