"""Many clients that ask without a pause, and what became of every request."""

import http.client
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from common.testing.waiting import eventually

from .fronting import Front

CLIENTS = 8


@dataclass
class Hammer:
    """Answers are counted by status, requests without one by the reason."""

    front: Front
    requests: Sequence[tuple[str, str]]
    """Method and path, in turn; `{n}` in a path is a number that no other request has."""
    seen: Counter[str] = field(default_factory=Counter)
    _sent: int = 0
    _over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def failed(self) -> dict[str, int]:
        """What was not answered with 200."""
        return {outcome: times for outcome, times in self.seen.items() if not outcome.endswith(" 200")}

    def wait_for_more(self, requests: int) -> None:
        """Return when so many further ones have been answered."""
        until = self.seen.total() + requests
        eventually(lambda: self.seen.total() >= until, 60)

    def strike(self) -> None:
        """One client, on one connection for as long as it lasts."""
        connection = http.client.HTTPConnection("127.0.0.1", self.front.gateway.port, timeout=60)
        while not self._over:
            method, path = self._next()
            outcome = self._ask(connection, method, path)
            with self._lock:
                self.seen[f"{method} {outcome}"] += 1
        connection.close()

    def stop(self) -> None:
        """No further request."""
        self._over = True

    def _next(self) -> tuple[str, str]:
        with self._lock:
            self._sent += 1
            method, path = self.requests[self._sent % len(self.requests)]
            return method, path.format(n=self._sent)

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str) -> str:
        try:
            connection.request(method, path, body=b"{}" if method == "POST" else None)
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            return type(error).__name__
        return str(answer.status)


@contextmanager
def hammering(front: Front, *requests: tuple[str, str], clients: int = CLIENTS) -> Iterator[Hammer]:
    """Clients that ask for as long as the block runs."""
    hammer = Hammer(front, requests)
    threads = [threading.Thread(target=hammer.strike) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        hammer.wait_for_more(clients)
        yield hammer
    finally:
        hammer.stop()
        for thread in threads:
            thread.join()
