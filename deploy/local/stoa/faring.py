"""What waits and what died in each service, asked over the gateway as an administrator would."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from rich.table import Column, Table
from rich.text import Text

from stoa.importing import Door
from stoa.preflight import NotNow

ANSWER_S = 40.0
"""Longer than a service works on dead letters for one call."""
PREFIXES = {
    "auth": "/api/auth",
    "catalog": "/api/products",
    "cart": "/api/cart",
    "orders": "/api/orders",
    "notifier": "/api/notifications",
    "realtime": "/api/realtime",
}
NO_FIGURE = "–"


MOST_LETTERS = 100
"""As many as a service shows at once."""
LEFT, UNKNOWN = 1, 2
"""Exit codes: something is left to be done; not every service could be asked."""


@dataclass(frozen=True)
class Told:
    """What a service answers; nothing but why, if it does not."""

    service: str
    told: dict[str, Any] | None
    why: str = ""

    @property
    def well(self) -> bool:
        """Whether there is nothing for an operator to do."""
        if self.told is None:
            return False
        parked = (self.told.get("outbox") or {}).get("parked")
        return self.told["broker"] == "ok" and not self.told["dead_letters"] and not parked


def how_all_fare(gateway: Door) -> list[Told]:
    """What each service tells of itself. Raises NotNow when nobody can sign in."""
    with signed_in(gateway) as http:
        return [_told(http, service) for service in PREFIXES]


def letters_of(gateway: Door, services: Sequence[str]) -> list[Told]:
    """The oldest hundred of each service. Raises NotNow when nobody can sign in, or for a service that there is not."""
    check_services(services)
    with signed_in(gateway) as http:
        return [_told(http, service, f"dead-letters/?limit={MOST_LETTERS}") for service in services]


def check_services(services: Sequence[str]) -> None:
    """Raise NotNow for a service that there is not."""
    unknown = [service for service in services if service not in PREFIXES]
    if unknown:
        raise NotNow(f"There is no service {unknown[0]}; there are {', '.join(PREFIXES)}.")


def exit_code(lines: Sequence[Told], *, well: bool) -> int:
    """0 if all answer and all is well."""
    if any(line.told is None for line in lines):
        return UNKNOWN
    return 0 if well else LEFT


def fares_table(lines: Sequence[Told]) -> Table:
    """The same for people. Nothing of what a service says is read as markup."""
    result = Table("service", "waiting", "oldest", "parked", "dead letters", "broker", box=None, padding=(0, 2))
    for line in lines:
        if line.told is None:
            result.add_row(line.service, *[NO_FIGURE] * 4, Text(line.why), style="red")
            continue
        outbox = line.told["outbox"] or {}
        oldest = NO_FIGURE if outbox.get("oldest_s") is None else f"{outbox['oldest_s']:.1f} s"
        figures = _figure(outbox.get("waiting")), oldest, _figure(outbox.get("parked"))
        last = _figure(line.told["dead_letters"]), Text(str(line.told["broker"]))
        result.add_row(line.service, *figures, *last, style="" if line.well else "red")
    return result


def letters_table(lines: Sequence[Told]) -> Table:
    """One row per letter, the oldest of each service first, how many more there are, and who did not answer."""
    whole = Column("id", no_wrap=True, overflow="fold")
    result = Table("service", whole, "type", "reason", "tries", "died", box=None, padding=(0, 2))
    for line in lines:
        for letter in line.told["results"] if line.told else ():
            row = (letter[name] for name in ("id", "type", "reason", "attempts", "died_at"))
            result.add_row(line.service, *(Text(NO_FIGURE if value is None else str(value)) for value in row))
        if line.told is None:
            result.add_row(line.service, NO_FIGURE, NO_FIGURE, Text(line.why), style="red")
        elif line.told["left"]:
            result.add_row(line.service, f"and {line.told['left']} more")
    return result


def _told(http: httpx.Client, service: str, more: str = "") -> Told:
    try:
        return Told(service, asked(http, "GET", path_of(service, more)))
    except NotNow as failure:
        return Told(service, None, failure.sentence)


def path_of(service: str, more: str = "") -> str:
    """Where a service tells operators."""
    return f"{PREFIXES[service]}/operations/{more}"


@contextmanager
def signed_in(gateway: Door) -> Iterator[httpx.Client]:
    """Connections as an administrator. Raises NotNow when nobody can sign in."""
    account = {"username": gateway.username, "password": gateway.password}
    with httpx.Client(base_url=gateway.url, timeout=ANSWER_S, verify=gateway.trusted, trust_env=False) as http:
        token = asked(http, "POST", "/api/auth/login/", json=account)["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


def asked(http: httpx.Client, method: str, path: str, **more: Any) -> dict[str, Any]:
    """What the shop answers. Raises NotNow when it does not, or refuses."""
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
