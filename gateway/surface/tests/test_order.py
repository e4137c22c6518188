"""Who knocks is asked first, then what they may, and only then what they want."""

from collections import Counter
from typing import Any

import pytest

from .doors import Door, Who
from .house import Platform
from .knocking import CALLERS
from .table import DOORS

NOTHING = {"user_id", "product_id", "task_id", "order_id", "session_id", "sku", "slug", "notification_id"}
NOTHING |= {"webhook_id", "delivery_id"}
FOR_ADMINS = [door for door in DOORS if door.answers[Who.USER] == 403]
FOR_MEMBERS = [door for door in DOORS if door.answers[Who.ANONYMOUS] == 401]

ASKED_BADLY: dict[str, dict[str, Any]] = {
    "unknown parameter": {"params": {"colour": "red"}},
    "wrong body": {"json": {"nonsense": [1, 2, 3]}},
    "body that is no object": {"json": [[]]},
    "empty body": {"json": {}},
    "version that never was": {"headers": {"If-Match": '"never"'}},
    "key that cannot be one": {"headers": {"Idempotency-Key": "x" * 300}},
}
IDS = ("01890000-0000-7000-8000-000000000000", "999999999", "no-id", "0", "-1", "%00")


def bad_requests(door: Door) -> list[tuple[str, dict[str, Any]]]:
    """Requests that this operation could only refuse or find nothing for."""
    path = door.path.replace("{", "").replace("}", "") if "{" not in door.path else door.path
    by_id = [(path.format(**dict.fromkeys(NOTHING, wrong)), {}) for wrong in IDS] if "{" in path else []
    about = path.format(**dict.fromkeys(NOTHING, IDS[0]))
    return [*by_id, *((about, more) for more in ASKED_BADLY.values())]


@pytest.mark.parametrize("door", FOR_MEMBERS, ids=str)
def test_a_stranger_is_asked_to_sign_in_before_anything_else(
    door: Door, platform: Platform, cells: Counter[str]
) -> None:
    for path, sent in bad_requests(door):
        answer = platform.http[door.service].request(door.method, path, **sent)
        cells["order"] += 1
        assert answer.status_code == 401, f"{path} {sent}: {answer.text}"


@pytest.mark.parametrize("door", FOR_ADMINS, ids=str)
@pytest.mark.parametrize("who", [Who.USER, Who.CODE_ADMIN])
def test_who_is_no_administrator_is_told_so_before_anything_is_looked_up(
    door: Door, who: Who, platform: Platform, cells: Counter[str]
) -> None:
    caller = CALLERS[who](platform.people[door.service])
    assert caller is not None
    for path, sent in bad_requests(door):
        headers = [*caller.headers, *sent.get("headers", {}).items()]
        answer = platform.http[door.service].request(door.method, path, **sent | {"headers": headers})
        cells["order"] += 1
        assert answer.status_code == 403, f"{path} {sent}: {answer.text}"
