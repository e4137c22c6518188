"""Each door of each service opens to whom the table says, and to no token that is not good."""

from collections import Counter

import pytest
from fastapi import FastAPI

from .callers import Headers
from .doors import Door, Who
from .house import Platform
from .knocking import ask, bad_tokens, knock, prepared, refusal
from .operations import operations
from .services import SERVICES, described
from .table import DOORS, entries

LISTENING = [door for door in DOORS if not door.deaf]
DEAF = [door for door in DOORS if door.deaf]


@pytest.fixture(scope="module")
def looked_at() -> dict[str, FastAPI]:
    return described()


@pytest.fixture(scope="package")
def bad(platform: Platform) -> dict[str, dict[str, Headers]]:
    """The tokens that are not good, for each service."""
    return {service: bad_tokens(platform, service) for service in SERVICES}


@pytest.mark.unit
@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_stands_in_the_table(service: str, looked_at: dict[str, FastAPI]) -> None:
    missing = operations(looked_at[service]) - entries(service)
    assert not missing, f"say in surface/tests/table.py who may knock at these doors of {service}: {sorted(missing)}"


@pytest.mark.unit
@pytest.mark.parametrize("service", SERVICES)
def test_the_table_has_no_operation_that_is_gone(service: str, looked_at: dict[str, FastAPI]) -> None:
    gone = entries(service) - operations(looked_at[service])
    assert not gone, f"{service} has no such doors (any more); take them out of surface/tests/table.py: {sorted(gone)}"


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_a_door_opens_to_whom_the_table_says(door: Door, platform: Platform, cells: Counter[str]) -> None:
    wrong = []
    for who in Who:
        answer = knock(platform, door, who)
        cells["roles"] += 1
        if answer.status_code != door.answers[who]:
            wrong.append(f"{who} was answered {answer.status_code} instead of {door.answers[who]}: {answer.text[:200]}")
        elif answer.status_code == 401:
            wrong += [f"{who} {fault}" for fault in [refusal(answer)] if fault]
    assert not wrong, f"{door}: {wrong}"


@pytest.mark.parametrize("door", LISTENING, ids=str)
def test_a_door_opens_to_no_bad_token(
    door: Door, platform: Platform, bad: dict[str, dict[str, Headers]], cells: Counter[str]
) -> None:
    asked = prepared(platform, door, platform.people[door.service].someone())
    wrong = []
    for name, shown in bad[door.service].items():
        fault = refusal(asked(shown))
        cells["bad tokens"] += 1
        wrong += [f"{name} {fault}"] if fault else []
    assert not wrong, f"{door}: {wrong}"


@pytest.mark.parametrize("door", DEAF, ids=str)
def test_a_deaf_door_does_not_look_at_the_token(
    door: Door, platform: Platform, bad: dict[str, dict[str, Headers]], cells: Counter[str]
) -> None:
    for name in ("long over", "session ended", "foreign key under our kid", "two headers"):
        owner = platform.people[door.service].someone()
        answer = ask(platform, door, owner, bad[door.service][name])
        cells["deaf doors"] += 1
        assert answer.status_code == door.answers[Who.ANONYMOUS], f"{door}, {name}: {answer.text}"
