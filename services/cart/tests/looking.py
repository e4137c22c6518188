"""What tests see of carts, whoever's they are, and how they do many things at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi.testclient import TestClient

from common.testing.signing import SignedUser

Shown = dict[str, str]
"""The headers by which a guest shows the token."""
NewGuest = Callable[..., Shown]


def cart_of(client: TestClient, whose: SignedUser | Shown) -> Any:
    headers = whose.headers if isinstance(whose, SignedUser) else whose
    return client.get("/api/cart/", headers=headers).json()


def quantities(cart: Any) -> dict[int, int]:
    return {item["product"]["id"]: item["quantity"] for item in cart["items"]}


def at_once(times: int, work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(20) as threads:
        return list(threads.map(work, range(times)))
