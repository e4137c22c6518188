"""The replicas' room: one way to several processes of the same service, each asked in its turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from time import monotonic

import httpx

NOT_REACHED = (httpx.ConnectError, httpx.ConnectTimeout)
"""Nobody has heard of the request, so whatever it is, another may be asked."""
AWAY_S = 5.0
"""For so long others come before one that could not be reached: to find that out may have taken a second."""


class Turns:
    """Addresses, written with commas between them."""

    def __init__(self, addresses: str) -> None:
        self._urls = [httpx.URL(address) for address in split(addresses)]
        self._turn = count()
        self._away_until: dict[httpx.URL, float] = {}

    def next(self) -> list[httpx.URL]:
        """All of them; each begins once in so many times, but who could not be reached lately comes last."""
        first = next(self._turn) % len(self._urls)
        moment = monotonic()
        in_turn = self._urls[first:] + self._urls[:first]
        return sorted(in_turn, key=lambda url: self._away_until.get(url, 0.0) > moment)

    @contextmanager
    def passing_over(self, url: httpx.URL) -> Iterator[None]:
        """Go on after the block when nobody can be reached there."""
        try:
            yield
        except NOT_REACHED:
            self._away_until[url] = monotonic() + AWAY_S


class Replicas(httpx.BaseTransport):
    """Sends a request to the next address, or to the one after it if no connection can be opened there."""

    def __init__(self, addresses: str, way: httpx.BaseTransport) -> None:
        self._turns = Turns(addresses)
        self._way = way

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the first that can be reached. Raises what the last attempt raised."""
        *first, last = self._turns.next()
        for url in first:
            with self._turns.passing_over(url):
                return self._way.handle_request(_led(request, url))
        return self._way.handle_request(_led(request, last))

    def close(self) -> None:
        """Give the connections back."""
        self._way.close()


class AsyncReplicas(httpx.AsyncBaseTransport):
    """The same for the event loop."""

    def __init__(self, addresses: str, way: httpx.AsyncBaseTransport) -> None:
        self._turns = Turns(addresses)
        self._way = way

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the first that can be reached. Raises what the last attempt raised."""
        *first, last = self._turns.next()
        for url in first:
            with self._turns.passing_over(url):
                return await self._way.handle_async_request(_led(request, url))
        return await self._way.handle_async_request(_led(request, last))

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._way.aclose()


def split(addresses: str) -> list[str]:
    """Each address by itself."""
    return [address.strip() for address in addresses.split(",")]


def _led(request: httpx.Request, url: httpx.URL) -> httpx.Request:
    request.url = request.url.copy_with(scheme=url.scheme, host=url.host, port=url.port)
    request.headers["Host"] = url.netloc.decode("ascii")
    return request
