"""The courier's room: one POST to an integrator, to the very address that was checked, with an end to every wait.

It follows no redirect, asks no proxy and unpacks no compression: of an answer it wants the status and the first words.
"""

import math
import re
import select
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore

from common.clock import now
from notifier.hooks.guard import LookUp, Policy, Refused, addresses_of, look_up
from notifier.hooks.outcome import Outcome

WHOLE_S = 15.0
"""How long a delivery may take in all, name, connection and answer (Standard Webhooks recommends 15 to 30 s)."""
CONNECT_S = 5.0
"""How long one of several addresses may take, so that the next has its turn."""
MOST_READ = 4096
MOST_KEPT = 500
"""Bytes that are read of an answer, and characters that are kept."""
SECONDS = re.compile(r"[0-9]{1,20}", re.ASCII)
USUAL_PORTS = {"http": 80, "https": 443}
LOST = (httpcore.NetworkError, httpcore.ProtocolError, OSError)
LATE = (httpcore.TimeoutException, TimeoutError)


class Hurry:
    """What is left of the time for a delivery; each use of a connection is told."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        """From now on a whole delivery's time."""
        self._until = time.monotonic() + WHOLE_S

    def left(self) -> float:
        """Seconds. Raises TimeoutError when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Line(httpcore.NetworkStream):
    """A connection whose every use ends with the delivery's time, however slowly its bytes come."""

    def __init__(self, sock: socket.socket, hurry: Hurry, trusted: ssl.SSLContext) -> None:
        self._sock = sock
        self._hurry = hurry
        self._trusted = trusted

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes; none when the other side has ended."""
        self._sock.settimeout(self._hurry.left())
        return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of the bytes."""
        rest = memoryview(buffer)
        while rest:
            self._sock.settimeout(self._hurry.left())
            rest = rest[self._sock.send(rest) :]

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same, encrypted, to a server that has proved the name to those whom we trust."""
        try:
            self._sock.settimeout(self._hurry.left())
            encrypted = self._trusted.wrap_socket(self._sock, server_hostname=server_hostname)
            return Line(encrypted, self._hurry, self._trusted)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """Whether something can be read, which on a connection that rests means that it has ended."""
        if info != "is_readable":
            return None
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))


class Guarded(httpcore.NetworkBackend):
    """Connects to where a name leads at this moment, and only if all of that is public."""

    def __init__(self, policy: Policy, look_up: LookUp, hurry: Hurry, trusted: ssl.SSLContext) -> None:
        self._policy = policy
        self._look_up = look_up
        self._hurry = hurry
        self._trusted = trusted

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection. Raises Refused, OSError."""
        *others, last = addresses_of(host, port, self._policy, self._look_up, self._hurry.left())
        for address in others:
            with suppress(OSError):
                return self._connect(address, port, CONNECT_S)
        return self._connect(last, port, WHOLE_S)

    def _connect(self, address: str, port: int, most_s: float) -> Line:
        """An address is no name any more: nothing is looked up again."""
        seconds = min(self._hurry.left(), most_s)
        return Line(socket.create_connection((address, port), timeout=seconds), self._hurry, self._trusted)


class Courier:
    """Carries deliveries of one visit; connections are kept for the next one to the same place."""

    def __init__(self, policy: Policy, trusted: ssl.SSLContext, look_up: LookUp = look_up) -> None:
        self._hurry = Hurry()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_unused(), network_backend=Guarded(policy, look_up, self._hurry, trusted), max_connections=1
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.close()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Hand the body over; whatever comes of it is an outcome."""
        started = time.monotonic()
        self._hurry.begin()
        try:
            sent = [("Host", _host(url)), *headers.items()]
            with self._pool.stream("POST", _parsed(url), headers=sent, content=body) as answer:
                said = _first_words(answer)
                return Outcome(answer.status, _ms_since(started), said, _complaint(answer), _wish(answer))
        except Refused as refusal:
            error = str(refusal)
        except LATE:
            error = f"no answer within {WHOLE_S:.0f} s"
        except LOST as lost:
            error = f"{type(lost).__name__}: {lost}"
        return Outcome(duration_ms=_ms_since(started), error=error)


def _unused() -> ssl.SSLContext:
    """For the library to change before each connection, which it must not do to one that other threads use."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _parsed(url: str) -> httpcore.URL:
    """The library's own reading would drop what follows a semicolon."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


def _host(url: str) -> str:
    """As RFC 9110 (7.2) wants it: an IPv6 address in brackets, which the library forgets, and no usual port."""
    parts = urlsplit(url)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return name if parts.port in (None, USUAL_PORTS[parts.scheme]) else f"{name}:{parts.port}"


def _first_words(answer: httpcore.Response) -> str:
    """The begin of the answer's body; one that does not come, or does not end, changes nothing."""
    read = b""
    with suppress(*LATE, *LOST):
        for part in answer.iter_stream():
            read += part[: MOST_READ - len(read)]
            if len(read) == MOST_READ:
                break
    return read.decode("utf-8", "replace")[:MOST_KEPT]


def _complaint(answer: httpcore.Response) -> str:
    return "redirects are not followed" if 300 <= answer.status < 400 else ""


def _wish(answer: httpcore.Response) -> int:
    """Seconds of a Retry-After; 0 without one that makes sense."""
    wishes = [value.decode("latin-1") for name, value in answer.headers if name.lower() == b"retry-after"]
    with suppress(ValueError, OverflowError):
        return _seconds(wishes[0]) if wishes else 0
    return 0


def _seconds(wish: str) -> int:
    """A number of seconds, or from now to a date in one of the three forms of HTTP (RFC 9110, 10.2.3 and 5.6.7)."""
    if SECONDS.fullmatch(wish):
        return int(wish)
    date = parsedate_to_datetime(wish)
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0, math.ceil((date - now()).total_seconds()))


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
