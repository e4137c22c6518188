"""The shop as `stoa import` meets it at the gateway, played by a small server: signs in, takes files, tells of jobs."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from common.testing.sisters import CrowdServer

UPLOAD = "/api/products/bulk-upload/"
Json = dict[str, Any]


@dataclass
class Taken:
    """A file as it came in."""

    body: bytes
    headers: dict[str, str]
    query: dict[str, str]


@dataclass
class Counter:
    """What the shop is told to do, and what it was asked."""

    url: str = ""
    taken: dict[str, Taken] = field(default_factory=dict)
    """Files by their Idempotency-Key."""
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Those that are good; each sign-in makes one."""
    life_s: int = 600
    password: str = "colonnade-17-agora"
    moods: deque[tuple[int, Json, dict[str, str]]] = field(default_factory=deque)
    """Answers that the next uploads get instead."""
    losing: int = 0
    """So many uploads are taken and their answers lost."""
    jobs: list[list[Json]] = field(default_factory=list)
    """How each job in turn is told of, one after the other; the last again and again."""
    errors: list[bytes] = field(default_factory=list)
    errors_type: str = "text/csv; charset=utf-8"

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers of an answer; status 0 hangs up."""
        parts = urlsplit(path)
        self.asked.append(f"{method} {parts.path}")
        if parts.path == "/api/auth/login/":
            return self._sign_in(json.loads(body))
        if headers["authorization"].removeprefix("Bearer ") not in self.tokens:
            return 401, {"code": "invalid_token"}, {}
        if method == "POST":
            return self._take(Taken(body, headers, dict(parse_qsl(parts.query))))
        number = int(parts.path.removeprefix(UPLOAD).split("/")[0])
        if parts.path.endswith("errors/"):
            return 200, self.errors[number], {"Content-Type": self.errors_type}
        story = self.jobs[number]
        return 200, story.pop(0) if len(story) > 1 else story[0], {}

    def _sign_in(self, account: Json) -> tuple[int, Any, dict[str, str]]:
        if account["password"] != self.password:
            return 401, {"code": "invalid_credentials"}, {}
        self.tokens.append(f"token-{len(self.tokens)}")
        return 200, {"access_token": self.tokens[-1], "expires_in": self.life_s}, {}

    def _take(self, file: Taken) -> tuple[int, Any, dict[str, str]]:
        if self.moods:
            return self.moods.popleft()
        key = file.headers["idempotency-key"]
        self.taken.setdefault(key, file)
        if self.losing:
            self.losing -= 1
            return 0, None, {}
        number = list(self.taken).index(key)
        return 202, {"task_id": str(number), "status_url": f"{UPLOAD}{number}/"}, {}


@contextmanager
def counter() -> Iterator[Counter]:
    """A shop on a free port, gone at the end."""
    shop = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said, more = shop.reply(self.command, self.path, headers, body)
            if status == 0:
                self.close_connection = True
                return
            payload = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(payload)),
                **more,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = _serve

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = CrowdServer(("127.0.0.1", 0), Handler)
    shop.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
