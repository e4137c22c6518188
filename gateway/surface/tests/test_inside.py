"""What sister services ask each other opens to a good service token of the right sister only."""

import time
from collections import Counter

import pytest

from common.service_tokens import LEEWAY_S, LIFE_S, Badge, new_service_key
from common.tokens import TYPE

from .callers import Headers, bearing
from .doors import Inside
from .house import Platform
from .knocking import ask, bad_tokens, prepared, refusal
from .services import SERVICES
from .table import INSIDE

GONE_S = LIFE_S + LEEWAY_S + 60


def callers_of(door: Inside) -> set[str]:
    return set(door.by or SERVICES)


def good(platform: Platform, caller: str, to: str) -> Headers:
    return list(platform.badges.headers(caller, to).items())


def bad_badges(platform: Platform, door: Inside) -> dict[str, Headers]:
    """Service tokens that must not pass, each of one who may call but for what is wrong with it."""
    sister = sorted(callers_of(door))[0]
    badge, foreign = platform.badges.badge(sister), Badge(sister, new_service_key())
    nobody = Badge("nobody", new_service_key())
    elsewhere = next(name for name in SERVICES if name != door.service)
    begun = int(time.time()) - GONE_S
    tokens = {
        "for another service": badge.sign(elsewhere),
        "for everybody": badge.sign(door.service, aud=list(SERVICES)),
        "for nobody": badge.sign(""),
        "long over": badge.sign(door.service, iat=begun, exp=begun + LIFE_S),
        "not yet": badge.sign(door.service, nbf=int(time.time()) + GONE_S),
        "endless": badge.sign(door.service, exp=1e300),
        "in another's name": badge.sign(door.service, iss="auth" if sister != "auth" else "cart"),
        "of another key": foreign.sign(door.service),
        "of a stranger": nobody.sign(door.service),
    }
    return {f"badge: {name}": bearing(token) for name, token in tokens.items()}


@pytest.mark.parametrize("door", INSIDE, ids=str)
def test_an_inside_door_opens_to_the_right_sister_alone(door: Inside, platform: Platform, cells: Counter[str]) -> None:
    asked = prepared(platform, door, platform.people[door.service].someone())
    for caller in SERVICES:
        status = asked(good(platform, caller, door.service)).status_code
        cells["inside"] += 1
        assert status == (200 if caller in callers_of(door) else 403), f"{door}: {caller} was answered {status}"


@pytest.mark.parametrize("door", INSIDE, ids=str)
def test_an_inside_door_opens_to_nobody_else(door: Inside, platform: Platform, cells: Counter[str]) -> None:
    people = platform.people[door.service]
    outsiders = {"nobody": [], "a user": people.someone().headers, "an admin": people.someone("admin").headers}
    forgeries = bad_tokens(platform, door.service)
    del forgeries["service token"]
    asked = prepared(platform, door, people.someone())
    wrong = []
    for name, shown in {**outsiders, **forgeries, **bad_badges(platform, door)}.items():
        fault = refusal(asked(shown))
        cells["inside"] += 1
        wrong += [f"{name} {fault}"] if fault else []
    assert not wrong, f"{door}: {wrong}"


def test_a_badge_opens_no_door_once_it_calls_itself_an_access_token(platform: Platform) -> None:
    mint = platform.people["catalog"].mint
    claims = {"iss": "orders", "aud": "catalog", "iat": int(time.time()), "exp": int(time.time()) + LIFE_S, "jti": "1"}
    door = next(door for door in INSIDE if str(door) == "catalog POST /internal/reservations/")
    owner = platform.people["catalog"].someone()
    for kind in (TYPE, "service+jwt"):
        shown = bearing(mint.sign(claims, kid="orders", typ=kind))
        assert not refusal(ask(platform, door, owner, shown))
