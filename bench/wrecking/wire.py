"""The wire's room: requests that go out once, each written down with what came of it and how long that took."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpx2

from replaying.gateway import Gateway, problem_code

NO_ANSWER = 0
"""In the place of a status."""
PREFIXES = {
    "/api/auth/": "auth",
    "/api/products/": "catalog",
    "/api/cart/": "cart",
    "/api/orders/": "orders",
    "/api/notifications/": "notifier",
    "/api/realtime/": "realtime",
}
"""Whose answer a path is."""


EMPTY = "404 of a gateway without routes"


class NoAnswer(Exception):
    """Nothing came back, or not in time: whether it was done is unknown."""


def is_empty(answer: httpx2.Response) -> bool:
    """Whether Traefik has answered that has just been started and has not read its routes yet: 404 in plain text, where
    each of the shop's own is a problem. It says nothing of what was asked for."""
    return answer.status_code == httpx2.codes.NOT_FOUND and answer.headers.get("content-type", "").startswith(
        "text/plain"
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request; times are seconds of the monotonic clock."""

    door: str
    what: str
    begun: float
    ended: float
    status: int
    code: str

    @property
    def seconds(self) -> float:
        """How long the client has waited."""
        return self.ended - self.begun

    @property
    def failed(self) -> bool:
        """Whether the client was told nothing, or that it should come again."""
        return self.status == NO_ANSWER or self.status >= httpx2.codes.INTERNAL_SERVER_ERROR


class Wire(Gateway):
    """The one URL. Nothing is sent twice here: who is not answered has to know what to do about it."""

    def __init__(self, url: str, connections: int, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        super().__init__(url, connections, transport)
        self.attempts: list[Attempt] = []

    async def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx2.Response:
        """The answer, whatever it is. Raises NoAnswer."""
        begun = monotonic()
        try:
            answer = await self._client.request(method, path, headers=headers, **body)
        except httpx2.TransportError as error:
            self.note(method, path, begun, NO_ANSWER, type(error).__name__)
            raise NoAnswer(f"{method} {path}: {type(error).__name__}") from error
        if is_empty(answer):
            self.note(method, path, begun, NO_ANSWER, EMPTY)
            raise NoAnswer(f"{method} {path}: {EMPTY}")
        code = problem_code(answer) if answer.is_error else ""
        self.note(method, path, begun, answer.status_code, code)
        return answer

    def note(self, method: str, path: str, begun: float, status: int, code: str) -> None:
        """Write a request down that has just come to its end."""
        door = next((name for prefix, name in PREFIXES.items() if path.startswith(prefix)), "gateway")
        self.attempts.append(Attempt(door, f"{method} {path}", begun, monotonic(), status, code))
