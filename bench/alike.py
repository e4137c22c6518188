"""Measures whether auth answers an account's name or address in another time than nobody's: `make bench-alike`.

Asks the auth of the running stack itself, each request from a client address of its own, so that no limit stands
between; accounts and strangers in random order.
"""

import random
import secrets
import statistics
import sys
import time
from collections.abc import Callable

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from stoa.settings import read_settings

PAIRS = 150
PASSWORD = "benches and lemons 5"  # noqa: S105
ASKS: dict[str, Callable[[str], dict[str, str]]] = {
    "/api/auth/login/": lambda name: {"username": name, "password": "not this one"},
    "/api/auth/request-otp/": lambda name: {"email": f"{name}@example.com"},
    "/api/auth/password-reset/": lambda name: {"email": f"{name}@example.com"},
    "/api/auth/verify-otp/": lambda name: {"email": f"{name}@example.com", "otp": "000000"},
}
"""What is asked about a name; the mailed code of the third line is what the fourth one guesses at."""


def main() -> int:
    """Measure and print; 1 when the stack is not up."""
    with httpx.Client(base_url=read_settings().address_of("auth"), timeout=30, trust_env=False) as http:
        try:
            names = {True: _names(), False: _names()}
            for name in track(names[True], "open accounts"):
                account = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
                http.post("/api/auth/register/", json=account).raise_for_status()
        except httpx.HTTPError as error:
            sys.stderr.write(f"auth does not take registrations ({error}); start the stack with `make up`.\n")
            return 1
        table = Table("asked", "accounts p50 ms", "strangers p50 ms", "ratio", "accounts p95", "strangers p95")
        for path, body in ASKS.items():
            table.add_row(path.removeprefix("/api/auth/"), *_row(*_measure(http, path, body, names)))
    Console().print(table)
    return 0


def _names() -> list[str]:
    return [f"alike-{secrets.token_hex(8)}" for _ in range(PAIRS)]


def _measure(
    http: httpx.Client, path: str, body: Callable[[str], dict[str, str]], names: dict[bool, list[str]]
) -> tuple[list[float], list[float]]:
    """Milliseconds for each account and for each stranger."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    turns = [(known, name) for known, each in names.items() for name in each]
    random.shuffle(turns)
    for known, name in track(turns, path):
        headers = {"X-Forwarded-For": ".".join(str(random.randrange(1, 255)) for _ in range(4))}  # noqa: S311
        begun = time.perf_counter()
        http.post(path, json=body(name), headers=headers)
        taken[known].append((time.perf_counter() - begun) * 1000)
    return taken[True], taken[False]


def _row(accounts: list[float], strangers: list[float]) -> list[str]:
    middle = [statistics.median(times) for times in (accounts, strangers)]
    high = [statistics.quantiles(times, n=20)[-1] for times in (accounts, strangers)]
    return [f"{middle[0]:.1f}", f"{middle[1]:.1f}", f"{middle[0] / middle[1]:.2f}", *(f"{each:.1f}" for each in high)]


if __name__ == "__main__":
    sys.exit(main())
