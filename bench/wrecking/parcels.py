"""The parcels' room: an operator who all the while tells where parcels are, and reads what each release has written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any

import httpx

TIMEOUT_S = 20.0
PAUSE_S = 0.02
FEW = 4
PROCESSES = 2
"""The gateway sends one request to the one, the next to the other."""


class Misread(Exception):
    """Something told is not what is read, or was not taken; the text is a sentence."""


@dataclass
class Parcels:
    """What was told of each order's parcel."""

    http: httpx.Client
    told: dict[str, str] = field(default_factory=dict)

    def tell(self, until: Event) -> None:
        """Of the same few orders again and again, and of the newest, until somebody says so. Raises Misread."""
        numbers = count(1)
        few = self._newest(FEW)
        while not until.is_set():
            for order in (*few, *self._newest(1)):
                parcel = f"parcel {next(numbers)}"
                change = {"status": order["status"], "tracking": parcel}
                if self._asked("PATCH", f"/api/orders/{order['id']}/", change):
                    self.told[order["id"]] = parcel
                    self.read([order["id"]] * PROCESSES)
                until.wait(PAUSE_S)

    def read(self, order_ids: Iterable[str]) -> None:
        """What was told of these. Raises Misread."""
        for order_id in order_ids:
            read, told = self._asked("GET", f"/api/orders/{order_id}/")["tracking"], self.told[order_id]
            if read != told:
                raise Misread(f"{order_id}: told was {told!r}, read is {read!r}.")

    def _newest(self, count: int) -> Sequence[dict[str, Any]]:
        found: Sequence[dict[str, Any]] = self._asked("GET", f"/api/orders/?limit={count}")["results"]
        return found

    def _asked(self, method: str, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer; nothing when a buyer has cancelled the order meanwhile."""
        answer = self.http.request(method, path, json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            return {}
        if answer.is_error:
            raise Misread(f"{method} {path} was answered {answer.status_code} {answer.text[:200]}.")
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def told(url: str, token: str) -> Iterator[None]:
    """Tell while the block goes on, and read all of it once more at its end. Raises Misread."""
    over = Event()
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http,
        ThreadPoolExecutor(1) as thread,
    ):
        parcels = Parcels(http)
        telling = thread.submit(parcels.tell, over)
        try:
            yield
        finally:
            over.set()
        telling.result()
        if not parcels.told:
            raise Misread("Nobody was told of any parcel.")
        parcels.read(parcels.told)
