"""Buyers of the bench's own: registered and signed in through the gateway."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from common.ids import new_id

PASSWORD = "a bench is no place for secrets"  # noqa: S105 - of accounts that are gone with the bench
AT_ONCE = 4


def sign_up(url: str, number: int) -> list[str]:
    """Tokens of so many new users, good for ten minutes."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda name: _token(http, name), _names(number)))


def _names(number: int) -> Iterator[str]:
    for _ in range(number):
        yield f"buyer-{new_id().hex}"


def _token(http: httpx.Client, name: str) -> str:
    account = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    http.post("/api/auth/register/", json=account).raise_for_status()
    signed = http.post("/api/auth/login/", json={"username": name, "password": PASSWORD}).raise_for_status()
    return str(signed.json()["access_token"])
