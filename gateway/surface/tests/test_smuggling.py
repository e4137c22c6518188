"""What the server alone decides cannot be smuggled in with a body (OWASP API3): it is refused, or leaves no trace."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .doors import Door, Who
from .house import Platform
from .knocking import CALLERS
from .operations import taking_a_body
from .services import described, openapi
from .table import DOORS

Json = dict[str, Any]

SMUGGLED: Json = {
    "id": 424242,
    "user_id": "01890000-0000-7000-8000-000000000000",
    "role": "admin",
    "is_admin": True,
    "is_active": False,
    "price": "0.01",
    "total": "0.01",
    "status": "delivered",
    "sold_count": 424242,
    "created_at": "2001-01-01T00:00:00Z",
    "version": 424242,
}
WRITTEN_ON_PURPOSE = {
    ("POST", "/api/products/"): {"price", "status"},
    ("PUT", "/api/products/{product_id}/"): {"price", "status"},
    ("PATCH", "/api/products/{product_id}/"): {"price", "status"},
    ("PUT", "/api/orders/{order_id}/"): {"status"},
    ("PATCH", "/api/orders/{order_id}/"): {"status"},
    ("PATCH", "/api/auth/users/{user_id}/"): {"role", "is_active"},
}
"""What administrators do set, by these doors and no others."""
FILES = "/api/products/bulk-upload/"
"""Takes files; fields that the server alone sets are counted as ignored there, as catalog's own tests show."""
WRITTEN = {name: taking_a_body(app) for name, app in described().items()}
WRITABLE = [door for door in DOORS if (door.method, door.path) in WRITTEN[door.service]]


def loaded(body: Any, name: str) -> Iterator[Any]:
    """The body with the field in it, once for each object that it consists of."""
    if isinstance(body, dict):
        yield body | {name: SMUGGLED[name]}
        for key, part in body.items():
            yield from ({**body, key: changed} for changed in loaded(part, name))
    elif isinstance(body, list):
        for at, part in enumerate(body):
            yield from ([*body[:at], changed, *body[at + 1 :]] for changed in loaded(part, name))


def send(platform: Platform, door: Door, name: str) -> Iterator[httpx.Response]:
    """What the one who may write is answered, with the field in each place where it does not belong."""
    people = platform.people[door.service]
    who = Who.USER if door.answers[Who.USER] < 300 else Who.ADMIN
    caller = CALLERS[who](people)
    assert caller is not None
    owner = caller if who is Who.USER or door.everyones_own else people.someone()
    path, sent = door.path.format(**door.ids(platform, owner)), door.sent(platform, owner)
    for body in loaded(sent.get("json", {}), name):
        yield platform.http[door.service].request(door.method, path, json=body, headers=caller.headers)


@pytest.mark.unit
def test_every_body_of_json_that_the_documents_speak_of_is_tried() -> None:
    said = {
        f"{name} {method.upper()} {path}"
        for name, app in described().items()
        for path, operations in openapi(app)["paths"].items()
        for method, operation in operations.items()
        if path != FILES and "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert said == {str(door) for door in WRITABLE}


@pytest.mark.parametrize("door", WRITABLE, ids=str)
def test_nothing_is_smuggled_in_with_a_body(door: Door, platform: Platform, cells: Counter[str]) -> None:
    for name in SMUGGLED.keys() - WRITTEN_ON_PURPOSE.get((door.method, door.path), set()):
        for answer in send(platform, door, name):
            cells["smuggled fields"] += 1
            said = answer.json()
            if answer.status_code == 400:
                assert any(field.split(".")[-1] == name for field in said["errors"]), said
            else:
                assert answer.is_success, answer.text
                assert said.get(name) != SMUGGLED[name], said
