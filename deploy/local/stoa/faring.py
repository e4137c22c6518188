"""What waits and what died in each service, asked over the gateway as an administrator would."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from rich.table import Table

from stoa.importing import Door
from stoa.preflight import NotNow

ANSWER_S = 30.0
"""Longer than a service looks for its broker."""
PREFIXES = {
    "auth": "/api/auth",
    "catalog": "/api/products",
    "cart": "/api/cart",
    "orders": "/api/orders",
    "notifier": "/api/notifications",
    "realtime": "/api/realtime",
}
NO_FIGURE = "–"


@dataclass(frozen=True)
class Fares:
    """What a service tells of itself; nothing but why, if it tells nothing."""

    service: str
    told: dict[str, Any] | None
    why: str = ""

    @property
    def well(self) -> bool:
        """Whether there is nothing for an operator to do."""
        return self.told is not None and self.told["broker"] == "ok" and not self.told["dead_letters"]


def how_all_fare(gateway: Door) -> list[Fares]:
    """One line per service. Raises NotNow when nobody can sign in."""
    with _signed_in(gateway) as http:
        return [_fares(http, service) for service in PREFIXES]


def dead_letters(gateway: Door, services: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """The oldest hundred of each service. Raises NotNow, for a service that there is not too."""
    unknown = [service for service in services if service not in PREFIXES]
    if unknown:
        raise NotNow(f"There is no service {unknown[0]}; there are {', '.join(PREFIXES)}.")
    with _signed_in(gateway) as http:
        lists = {service: _asked(http, "GET", _at(service, "dead-letters/?limit=100")) for service in services}
    return [(service, letter) for service, told in lists.items() for letter in told["results"]]


def fares_table(lines: Sequence[Fares]) -> Table:
    """The same for people."""
    result = Table("service", "waiting", "oldest", "dead letters", "broker", box=None, padding=(0, 2))
    for line in lines:
        if line.told is None:
            result.add_row(line.service, NO_FIGURE, NO_FIGURE, NO_FIGURE, f"[red]{line.why}[/red]")
            continue
        outbox = line.told["outbox"] or {"waiting": None, "oldest_s": None}
        oldest = NO_FIGURE if outbox["oldest_s"] is None else f"{outbox['oldest_s']:.1f} s"
        figures = _figure(outbox["waiting"]), oldest, _figure(line.told["dead_letters"])
        result.add_row(line.service, *figures, line.told["broker"], style="" if line.well else "red")
    return result


def letters_table(letters: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    """One row per letter, the oldest of each service first."""
    result = Table("service", "id", "type", "reason", "tries", "died", box=None, padding=(0, 2))
    for service, letter in letters:
        row = letter["id"], letter["type"] or NO_FIGURE, letter["reason"], str(letter["attempts"])
        result.add_row(service, *row, letter["died_at"] or NO_FIGURE)
    return result


def _fares(http: httpx.Client, service: str) -> Fares:
    try:
        return Fares(service, _asked(http, "GET", _at(service)))
    except NotNow as failure:
        return Fares(service, None, failure.sentence)


def _at(service: str, more: str = "") -> str:
    return f"{PREFIXES[service]}/operations/{more}"


@contextmanager
def _signed_in(gateway: Door) -> Iterator[httpx.Client]:
    account = {"username": gateway.username, "password": gateway.password}
    with httpx.Client(base_url=gateway.url, timeout=ANSWER_S, verify=gateway.trusted, trust_env=False) as http:
        token = _asked(http, "POST", "/api/auth/login/", json=account)["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


def _asked(http: httpx.Client, method: str, path: str, **more: Any) -> dict[str, Any]:
    try:
        answer = http.request(method, path, **more)
        found: dict[str, Any] = answer.json()
    except (httpx.TransportError, ValueError) as error:
        raise NotNow(f"{http.base_url.join(path)} does not answer ({type(error).__name__}).") from error
    if not answer.is_success:
        raise NotNow(f"The shop refuses it ({answer.status_code}): {str(found.get('detail', '')).rstrip('.')}.")
    return found


def _figure(count: int | None) -> str:
    return NO_FIGURE if count is None else str(count)
