"""The knockers' bench: one request of the matrix, and what is wrong with its answer."""

from collections.abc import Callable

import httpx

from .callers import Caller, Headers, People
from .doors import Door, Inside, Who
from .forgeries import forged
from .house import Platform

PROBLEM = "application/problem+json"

CALLERS: dict[Who, Callable[[People], Caller | None]] = {
    Who.ANONYMOUS: lambda _: None,
    Who.USER: lambda people: people.someone(),
    Who.OTHER: lambda people: people.someone(),
    Who.ADMIN: lambda people: people.someone("admin"),
    Who.CODE_ADMIN: lambda people: people.someone("admin", "otp"),
}


def knock(platform: Platform, door: Door, who: Who) -> httpx.Response:
    """The door's answer to somebody who sends a good token, or none."""
    people = platform.people[door.service]
    caller = CALLERS[who](people)
    is_owner = caller is not None and (who is Who.USER or door.everyones_own)
    owner = caller if caller and is_owner else people.someone()
    return ask(platform, door, owner, caller.headers if caller else [])


def ask(platform: Platform, door: Door | Inside, owner: Caller, shown: Headers) -> httpx.Response:
    """A request that is right in all but, maybe, what it shows."""
    return prepared(platform, door, owner)(shown)


def prepared(platform: Platform, door: Door | Inside, owner: Caller) -> Callable[[Headers], httpx.Response]:
    """Asks one and the same thing again and again."""
    path = door.path.format(**door.ids(platform, owner))
    sent = door.sent(platform, owner)
    own = list(sent.pop("headers", {}).items())
    return lambda shown: platform.http[door.service].request(door.method, path, headers=[*shown, *own], **sent)


def bad_tokens(platform: Platform, service: str) -> dict[str, Headers]:
    """What a door must not open to, by what is wrong with it."""
    people = platform.people[service]
    admin = people.someone("admin")
    sister = "orders" if service != "orders" else "cart"
    badge = platform.badges.headers(sister, to=service)
    return {
        **forged(people.mint, admin, people.someone()),
        "session ended": people.signed_out().headers,
        "account switched off": people.disabled().headers,
        "service token": list(badge.items()),
    }


def refusal(answer: httpx.Response) -> str:
    """What is wrong with an answer as a 401; nothing if it is one."""
    if answer.status_code != 401:
        return f"was answered {answer.status_code}"
    if not answer.headers["content-type"].startswith(PROBLEM):
        return f"is refused in {answer.headers['content-type']}"
    if answer.headers.get("www-authenticate") != "Bearer":
        return "is refused without WWW-Authenticate: Bearer"
    return "" if answer.json()["status"] == 401 else f"says {answer.text}"
