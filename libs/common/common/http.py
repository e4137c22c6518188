"""The sisters' room: how one service asks another, with an end to every wait and a breaker before a dead one."""

import asyncio
import random
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import httpx
import structlog
from prometheus_client import Counter
from pydantic import TypeAdapter, ValidationError
from structlog.contextvars import get_contextvars

from common import tracing
from common.errors import Unavailable
from common.replicas import AsyncReplicas, Replicas, split
from common.service_tokens import Badge

log = structlog.get_logger(__name__)

T = TypeVar("T")

CONNECT_S = 0.2
OPEN_AFTER = 5
OPEN_S = 2.0
"""Failures in a row that open the breaker, and how long it stays open (design: reliability 3.7)."""
RETRY_PAUSE_S = (0.05, 0.15)
PATIENT_ATTEMPTS = 3
MOST_CONNECTIONS = 32
KEPT_S = 60
"""An idle connection, less than the 120 s after which a service closes it."""

FAILURES = Counter("stoa_sister_failures_total", "Calls to a sister that it did not answer in time or well", ["sister"])


class Breaker:
    """Refuses at once while a sister is known to be dead; lets one probe through when the pause is over."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0
        self._lock = threading.Lock()

    def allow(self) -> bool:
        """Whether a call may be made now."""
        with self._lock:
            if self._failures < OPEN_AFTER:
                return True
            if time.monotonic() < self._open_until:
                return False
            self._open_until = time.monotonic() + OPEN_S
            return True

    def note(self, *, succeeded: bool) -> None:
        """Count an outcome."""
        with self._lock:
            self._failures = 0 if succeeded else self._failures + 1
            if self._failures >= OPEN_AFTER:
                self._open_until = time.monotonic() + OPEN_S


def _passed_on() -> dict[str, str]:
    """What this call takes along of the request that it is made for."""
    known = get_contextvars()
    named = {"X-Request-ID": known.get("request_id"), "traceparent": known.get("traceparent")}
    return {name: value for name, value in named.items() if value}


def _asking(sister: str, method: str, path: str) -> AbstractContextManager[list[str]]:
    """The span of one question, repeats included."""
    return tracing.span(f"ask {sister}", "client", about={"http.request.method": method, "url.path": path})


@lru_cache(1)
def _authorities() -> bytes:
    """The certificates of whom https believes, DER, read once: that takes as long as making a context of them."""
    return b"".join(httpx.create_ssl_context(trust_env=False).get_ca_certs(binary_form=True))


def new_tls(address: str) -> ssl.SSLContext:
    """A client's own context, as its pool changes it; one that believes nobody where the address is not https.

    That costs nothing, where the usual one costs 30 ms of processor.
    """
    if address.startswith("https:"):
        return ssl.create_default_context(cadata=_authorities())
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def new_client(addresses: str, timeout: httpx.Timeout) -> httpx.Client:
    """A client for one service, at one address or at several with commas between them."""
    first, *others = split(addresses)
    limits = httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=KEPT_S)
    way = httpx.HTTPTransport(verify=new_tls(first), trust_env=False, limits=limits)
    transport = Replicas(addresses, way) if others else way
    return httpx.Client(base_url=first, timeout=timeout, trust_env=False, transport=transport)


def new_async_client(addresses: str, timeout_s: float) -> httpx.AsyncClient:
    """The same for the event loop."""
    first, *others = split(addresses)
    way = httpx.AsyncHTTPTransport(verify=new_tls(first), trust_env=False)
    transport = AsyncReplicas(addresses, way) if others else way
    # Of a machine that is gone nobody refuses a connection, and there must be time left to ask another.
    timeout = httpx.Timeout(timeout_s, connect=timeout_s / (1 + len(others)))
    return httpx.AsyncClient(base_url=first, timeout=timeout, trust_env=False, transport=transport)


class Sister:
    """A client for one sister service, safe to share between threads.

    A call either returns the answer (any status below 500) or raises Unavailable: not connected, too late, 5xx, or a
    body that is not JSON. `attempts` above 1 are for calls that are idempotent. The request's id and trace go along,
    and the badge's token says who calls.
    """

    def __init__(self, name: str, addresses: str, badge: Badge, *, timeout_s: float, attempts: int = 1) -> None:
        self.name = name
        self._failures = FAILURES.labels(name)
        self._badge = badge
        self._attempts = attempts
        self._breaker = Breaker()
        self._client = new_client(addresses, httpx.Timeout(timeout_s, connect=CONNECT_S))

    def get(self, path: str, **params: Any) -> tuple[int, Any]:
        """Status and JSON body of a GET."""
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON body of a POST."""
        return self._ask("POST", path, json=body)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _ask(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        with _asking(self.name, method, path):
            return self._try(method, path, **kwargs)

    def _try(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        for attempt in range(1, self._attempts + 1):
            if not self._breaker.allow():
                break
            try:
                headers = _passed_on() | self._badge.headers(self.name)
                answer = self._client.request(method, path, headers=headers, **kwargs)
                if answer.status_code < 500:
                    body = answer.json() if answer.content else None
                    self._breaker.note(succeeded=True)
                    return answer.status_code, body
                reason = f"status {answer.status_code}"
            except (httpx.HTTPError, ValueError) as error:
                reason = repr(error)
            self._breaker.note(succeeded=False)
            self._failures.inc()
            log.warning("sister_failed", sister=self.name, path=path, reason=reason, attempt=attempt)
            if attempt < self._attempts:
                time.sleep(random.uniform(*RETRY_PAUSE_S))  # noqa: S311 - jitter
        raise Unavailable(f"{self.name} does not answer; try again shortly", code=f"{self.name}_unavailable")


@contextmanager
def opened_sister(name: str, addresses: str, caller: str, key: str, timeout_s: float) -> Iterator[Sister]:
    """A sister for one piece of work at a terminal, asked with patience: three tries, each of `timeout_s`."""
    sister = Sister(name, addresses, Badge(caller, key), timeout_s=timeout_s, attempts=PATIENT_ATTEMPTS)
    try:
        yield sister
    finally:
        sister.close()


def read_list(sister: Sister, path: str, name: str, form: TypeAdapter[list[T]], **which: Any) -> list[T]:
    """A list that a sister tells under this name. Raises Unavailable when she cannot be asked or it makes no sense."""
    status, body = sister.get(path, **which)
    try:
        return form.validate_python(body[name])
    except (ValidationError, KeyError, TypeError) as error:
        sentence = f"{sister.name} answered {status} with something else"
        raise Unavailable(sentence, code=f"{sister.name}_unavailable") from error


class AsyncSister:
    """The same for the event loop: short look-ups on the way of a request. Raises Unavailable."""

    def __init__(self, name: str, addresses: str, badge: Badge, *, timeout_s: float) -> None:
        self.name = name
        self._failures = FAILURES.labels(name)
        self._badge = badge
        self._timeout_s = timeout_s
        self._breaker = Breaker()
        self._client = new_async_client(addresses, timeout_s)

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON body of a GET."""
        with _asking(self.name, "GET", path):
            return await self._try(path)

    async def _try(self, path: str) -> tuple[int, Any]:
        if not self._breaker.allow():
            raise self._unavailable()
        try:
            async with asyncio.timeout(self._timeout_s):
                headers = _passed_on() | self._badge.headers(self.name)
                answer = await self._client.get(path, headers=headers)
            if answer.status_code < 500:
                body = answer.json()
                self._breaker.note(succeeded=True)
                return answer.status_code, body
            reason = f"status {answer.status_code}"
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            reason = repr(error)
        self._breaker.note(succeeded=False)
        self._failures.inc()
        log.warning("sister_failed", sister=self.name, path=path, reason=reason)
        raise self._unavailable()

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"{self.name} does not answer; try again shortly", code=f"{self.name}_unavailable")

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()
