"""The portal's view of the services: which are up, asked all at once and remembered for a second."""

import asyncio
from collections.abc import Mapping
from time import monotonic

import httpx

from common.replicas import split

ASK_S = 1.5
"""How long one service may take to answer."""
REMEMBER_S = 1.0
"""How long an answer is given again, so that many askers cost the services one question."""


class Health:
    """Asks each service's `/readyz`; askers that come together share one round."""

    def __init__(self, services: Mapping[str, str]) -> None:
        self._services = dict(services)
        self._client = httpx.AsyncClient(timeout=ASK_S, trust_env=False)
        self._turn = asyncio.Lock()
        self._states: dict[str, str] = {}
        self._asked = -REMEMBER_S

    async def states(self) -> dict[str, str]:
        """`up` or `down` by service name."""
        async with self._turn:
            if monotonic() - self._asked >= REMEMBER_S:
                answers = await asyncio.gather(*map(self._state, self._services.values()))
                self._states = dict(zip(self._services, answers, strict=True))
                self._asked = monotonic()
        return self._states

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _state(self, addresses: str) -> str:
        """A service is up while one of its replicas is."""
        return "up" if any(await asyncio.gather(*map(self._is_ready, split(addresses)))) else "down"

    async def _is_ready(self, address: str) -> bool:
        try:
            answer = await self._client.get(f"{address}/readyz")
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK
