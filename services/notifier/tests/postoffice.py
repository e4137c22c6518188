"""A mail server of a few lines: keeps what it takes, refuses or hangs up when told to."""

import email
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default


@dataclass
class PostOffice:
    """The replies and `open` may be changed while it serves; with `tls` it offers STARTTLS and takes a sign-in."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipient_reply: bytes = b"250 OK"
    data_reply: bytes = b"250 kept"
    open: bool = True
    tls: ssl.SSLContext | None = None
    visits: int = 0
    said: list[bytes] = field(default_factory=list)
    """The first words of all commands, in order."""
    meanwhile: Callable[[], object] = lambda: None
    """What happens between the arrival of a mail and the reply to it."""

    @classmethod
    @contextmanager
    def opened(cls) -> "Iterator[PostOffice]":
        """Serve on a free loopback port until the end of the block."""
        office = cls()

        class Clerk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                office.serve(self)
                self.rfile.close()
                self.connection.close()  # STARTTLS has put another one in the place of the server's

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128  # as of `CrowdServer`

        with Server(("127.0.0.1", 0), Clerk) as server:
            office.url = f"smtp://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            yield office
            server.shutdown()
            thread.join()

    def serve(self, clerk: socketserver.StreamRequestHandler) -> None:
        """One connection (RFC 5321, as far as smtplib speaks it)."""
        self.visits += 1
        if not self.open:
            return
        clerk.wfile.write(b"220 test\r\n")
        while line := clerk.rfile.readline():
            verb = line[:4].upper()
            self.said.append(verb)
            if verb == b"DATA":
                clerk.wfile.write(b"354 go\r\n")
                self.mails.append(email.message_from_bytes(self._data(clerk), policy=default))  # type: ignore[arg-type]
                self.meanwhile()
                clerk.wfile.write(self.data_reply + b"\r\n")
            elif verb == b"EHLO" and self.tls is not None:
                clerk.wfile.write(b"250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
            elif verb == b"STAR":
                if not self._encrypt(clerk):
                    return
            elif verb == b"AUTH":
                clerk.wfile.write(b"235 come in\r\n")
            elif verb == b"QUIT":
                clerk.wfile.write(b"221 bye\r\n")
                return
            else:
                clerk.wfile.write((self.recipient_reply if verb == b"RCPT" else b"250 OK") + b"\r\n")

    def _encrypt(self, clerk: socketserver.StreamRequestHandler) -> bool:
        """Whether the client trusts us."""
        clerk.wfile.write(b"220 go\r\n")
        assert self.tls is not None
        try:
            clerk.connection = self.tls.wrap_socket(clerk.connection, server_side=True)
        except OSError:
            return False
        clerk.rfile = clerk.connection.makefile("rb")
        clerk.wfile = clerk.connection.makefile("wb", buffering=0)
        return True

    def _data(self, clerk: socketserver.StreamRequestHandler) -> bytes:
        lines = []
        while (line := clerk.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)
