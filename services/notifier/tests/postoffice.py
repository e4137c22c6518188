"""A mail server of a few lines: keeps what it takes, refuses or hangs up when told to."""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default


@dataclass
class PostOffice:
    """`recipient_reply` and `open` may be changed while it serves."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipient_reply: bytes = b"250 OK"
    open: bool = True

    @classmethod
    @contextmanager
    def opened(cls) -> "Iterator[PostOffice]":
        """Serve on a free loopback port until the end of the block."""
        office = cls()

        class Clerk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                office.serve(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        with Server(("127.0.0.1", 0), Clerk) as server:
            office.url = f"smtp://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            yield office
            server.shutdown()
            thread.join()

    def serve(self, clerk: socketserver.StreamRequestHandler) -> None:
        """One connection (RFC 5321, as far as smtplib speaks it)."""
        if not self.open:
            return
        clerk.wfile.write(b"220 test\r\n")
        while line := clerk.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                clerk.wfile.write(b"354 go\r\n")
                self.mails.append(email.message_from_bytes(self._data(clerk), policy=default))  # type: ignore[arg-type]
                clerk.wfile.write(b"250 kept\r\n")
            elif verb == b"QUIT":
                clerk.wfile.write(b"221 bye\r\n")
                return
            else:
                clerk.wfile.write((self.recipient_reply if verb == b"RCPT" else b"250 OK") + b"\r\n")

    def _data(self, clerk: socketserver.StreamRequestHandler) -> bytes:
        lines = []
        while (line := clerk.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)
