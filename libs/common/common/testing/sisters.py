"""The sisters' understudy: answers over real HTTP in the place of another service."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, Any], tuple[int, Any]]
"""From path (with its query) and JSON body to status and JSON body."""


@dataclass
class FakeSister:
    """Answers by the longest path prefix that was given; keeps what it was asked."""

    url: str
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """The Authorization header of each, empty where there was none."""

    def answer(self, method: str, prefix: str, reply: Answer) -> None:
        """Answer requests whose path begins like this."""
        self.answers[(method, prefix)] = reply

    def reply(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """What a request gets: 404 when nothing was prepared for it."""
        self.asked.append((method, path, body))
        fitting = [key for key in self.answers if key[0] == method and path.startswith(key[1])]
        if not fitting:
            return 404, {"code": "not_found"}
        return self.answers[max(fitting, key=lambda key: len(key[1]))](path, body)


class CrowdServer(ThreadingHTTPServer):
    """A server at which many may knock at once: of Python's own the seventh is not heard before a second has passed."""

    daemon_threads = True
    request_queue_size = 128


@contextmanager
def fake_sister() -> Iterator[FakeSister]:
    """A sister on a free loopback port, gone at the end."""
    sister = FakeSister("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: a body of its own would wait 40 ms for a delayed ACK

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else None
            sister.shown.append(self.headers.get("Authorization", ""))
            status, body = sister.reply(self.command, self.path, sent)
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = CrowdServer(("127.0.0.1", 0), Handler)
    sister.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield sister
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
