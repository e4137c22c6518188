"""The accounts' room: someone who registers, signs in and stays signed in."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

import httpx2

from replaying.gateway import Gateway, expect
from replaying.stop import Stop

EARLY_S = 30.0
"""So long before its end a token is renewed."""


class Account:
    """One user of the shop, signed in when first needed and again whenever the token has run out."""

    def __init__(self, gateway: Gateway, username: str, password: str) -> None:
        self.gateway = gateway
        self.username = username
        self.user_id = ""
        self._password = password
        self._access = ""
        self._refresh = ""
        self._ends = 0.0
        self._turn = asyncio.Lock()

    async def register(self) -> bool:
        """Open the account; False if it is there already."""
        email = f"{self.username}@example.com"
        body = {"username": self.username, "email": email, "password": self._password}
        answer = await self.gateway.send("POST", "/api/auth/register/", json=body)
        if answer.status_code != httpx2.codes.CONFLICT:
            expect(answer, httpx2.codes.CREATED)
        return answer.status_code == httpx2.codes.CREATED

    async def sign_in(self) -> None:
        """Begin a session with the password. Raises Stop."""
        body = {"username": self.username, "password": self._password}
        answer = await self.gateway.send("POST", "/api/auth/login/", json=body)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            raise Stop(f"The shop does not know {self.username} with this password; see --help for the options.")
        self._keep(expect(answer, httpx2.codes.OK))

    async def send(self, method: str, path: str, *, key: str | None = None, **body: Any) -> httpx2.Response:
        """A request in this account's name; a session that has ended meanwhile is begun again, once."""
        answer = await self.gateway.send(method, path, headers=await self._headers(key), **body)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            self._ends = 0.0
            answer = await self.gateway.send(method, path, headers=await self._headers(key), **body)
        return answer

    async def stay_signed_in(self) -> None:
        """Renew the token if it ends soon."""
        async with self._turn:
            if monotonic() > self._ends:
                await self._renew()

    async def _headers(self, key: str | None) -> Mapping[str, str]:
        await self.stay_signed_in()
        headers = {"Authorization": f"Bearer {self._access}"}
        return headers | {"Idempotency-Key": key} if key else headers

    async def _renew(self) -> None:
        if self._refresh:
            body = {"refresh_token": self._refresh}
            answer = await self.gateway.send("POST", "/api/auth/refresh/", json=body)
            if answer.status_code == httpx2.codes.OK:
                self._keep(answer.json())
                return
        await self.sign_in()

    def _keep(self, told: dict[str, Any]) -> None:
        self._access = told["access_token"]
        self._refresh = told["refresh_token"]
        self._ends = monotonic() + told["expires_in"] - EARLY_S
        self.user_id = str(told["user"]["id"]) if "user" in told else self.user_id
