"""The gateway's room: requests that are sent again when the answer says so, and a count of every answer."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Mapping
from random import random
from typing import Any

import httpx2

from replaying.stop import Stop

ATTEMPTS = 10
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
"""Pauses double from the first to the longest: about 20 s in all, longer than a service takes to come back."""
TIMEOUT_S = 60.0
AGAIN = frozenset({502, 503, 504})
START = "STOA_RATE_LIMITS=off make up"
LIMITED = f"The gateway's rate limits are on; start the stack with `{START}` and replay again."


class GaveUp(Exception):
    """A request that was not answered for good within all its attempts."""


class Gateway:
    """The one URL. Every answer is counted by its status, every further attempt by its reason."""

    def __init__(
        self,
        url: str,
        connections: int,
        transport: httpx2.AsyncBaseTransport | None = None,
        trusted: ssl.SSLContext | bool = True,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._attempts = attempts
        self.url = url.rstrip("/")
        self.answers: Counter[int] = Counter()
        self.again: Counter[str] = Counter()
        self.gave_up: list[str] = []
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx2.AsyncClient(
            base_url=self.url, timeout=TIMEOUT_S, limits=limits, verify=trusted, trust_env=False, transport=transport
        )

    async def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx2.Response:
        """The final answer; the same request, key included, goes out again while none is there. Raises GaveUp, Stop."""
        for attempt in range(self._attempts):
            reason, wait_s = "no answer", 0.0
            try:
                answer = await self._client.request(method, path, headers=headers, **body)
            except httpx2.TransportError as error:
                reason = f"no answer ({type(error).__name__})"
            else:
                self._note(answer)
                if not _is_passing(answer):
                    return answer
                reason, wait_s = str(answer.status_code), _asked_wait(answer)
            self.again[reason] += 1
            await asyncio.sleep(min(max(wait_s, _pause(attempt)), LONGEST_PAUSE_S))
        self.gave_up.append(f"{method} {path}: {reason}")
        raise GaveUp(self.gave_up[-1])

    async def greet(self) -> None:
        """Raises Stop unless the whole shop is up."""
        try:
            answer = await self._client.get("/api/health/")
        except httpx2.TransportError:
            raise Stop(f"Nothing answers at {self.url}; start the stack with `{START}`.") from None
        self._note(answer)
        if answer.status_code != httpx2.codes.OK:
            raise Stop(f"The shop at {self.url} is not well: {answer.text[:300]}")

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    def _note(self, answer: httpx2.Response) -> None:
        self.answers[answer.status_code] += 1
        if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            raise Stop(LIMITED)


def problem_code(answer: httpx2.Response) -> str:
    """The `code` of a problem+json answer, else its status."""
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)


def expect(answer: httpx2.Response, *statuses: int) -> Any:
    """The answer's body, if it came with one of these statuses. Raises Stop."""
    if answer.status_code in statuses:
        return answer.json()
    told = answer.text[:300]
    raise Stop(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {told}")


def _is_passing(answer: httpx2.Response) -> bool:
    if answer.status_code == httpx2.codes.CONFLICT:
        return problem_code(answer) == "idempotency_in_progress"
    return answer.status_code in AGAIN


def _asked_wait(answer: httpx2.Response) -> float:
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _pause(attempt: int) -> float:
    pause = min(FIRST_PAUSE_S * 2.0 ** min(attempt, ATTEMPTS), LONGEST_PAUSE_S)
    return pause * (0.5 + random() / 2)  # noqa: S311 - jitter, so that clients do not come back together
