"""How an account stays signed in."""

import asyncio
from typing import Any

import httpx2
import pytest

from replaying.accounts import Account
from replaying.gateway import Gateway
from replaying.stop import Stop

pytestmark = pytest.mark.unit


class Door:
    """Gives out tokens t1, t2, … of which only those in `good` open."""

    def __init__(self, *good: str, lasts_s: int = 600, refreshes: bool = True, knows: bool = True) -> None:
        self.good, self.lasts_s, self.refreshes, self.knows = good, lasts_s, refreshes, knows
        self.asked: list[str] = []
        self.given = 0

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.asked.append(path.split("/")[-2])
        if path == "/api/auth/register/":
            return httpx2.Response(201 if self.knows else 409, json={"code": "already_registered"})
        if path == "/api/auth/login/" and not self.knows:
            return httpx2.Response(401, json={"code": "invalid_credentials"})
        if path == "/api/auth/refresh/" and not self.refreshes:
            return httpx2.Response(401, json={"code": "invalid_refresh"})
        if path.startswith("/api/auth/"):
            return httpx2.Response(200, json=self._session())
        opens = request.headers["Authorization"] in [f"Bearer {token}" for token in self.good]
        return httpx2.Response(200 if opens else 401, json={})

    def _session(self) -> dict[str, Any]:
        self.given += 1
        user = {"id": "u-1"}
        return {"access_token": f"t{self.given}", "refresh_token": "r", "expires_in": self.lasts_s, "user": user}


def visit(door: Door, times: int = 1) -> list[int]:
    """The statuses of so many reads of the cart."""

    async def run() -> list[int]:
        gateway = Gateway("http://shop", 1, httpx2.MockTransport(door.answer))
        account = Account(gateway, "x", "p")
        statuses = [(await account.send("GET", "/api/cart/")).status_code for _ in range(times)]
        await gateway.close()
        return statuses

    return asyncio.run(run())


def test_it_signs_in_once_for_many_requests() -> None:
    door = Door("t1")
    assert visit(door, 3) == [200, 200, 200]
    assert door.asked == ["login", "cart", "cart", "cart"]


def test_a_token_that_ends_soon_is_renewed_beforehand() -> None:
    door = Door("t1", "t2", lasts_s=10)
    assert visit(door, 2) == [200, 200]
    assert door.asked == ["login", "cart", "refresh", "cart"]


def test_a_session_that_cannot_be_renewed_is_begun_again() -> None:
    door = Door("t1", "t2", lasts_s=10, refreshes=False)
    assert visit(door, 2) == [200, 200]
    assert door.asked == ["login", "cart", "refresh", "login", "cart"]


def test_a_token_that_is_refused_is_renewed_once() -> None:
    door = Door()
    assert visit(door) == [401]
    assert door.asked == ["login", "cart", "refresh", "cart"]


def test_another_password_ends_the_replay() -> None:
    with pytest.raises(Stop, match="does not know x with this password"):
        visit(Door(knows=False))


def test_an_account_that_is_there_already_is_fine() -> None:
    async def register(door: Door) -> bool:
        gateway = Gateway("http://shop", 1, httpx2.MockTransport(door.answer))
        try:
            return await Account(gateway, "x", "p").register()
        finally:
            await gateway.close()

    assert [asyncio.run(register(Door(knows=knows))) for knows in (True, False)] == [True, False]
