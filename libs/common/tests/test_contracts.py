"""The contracts' tests: what would break whoever hears an event is found, and what would not is let pass."""

from copy import deepcopy

import pytest

from common.asyncapi import describe
from common.contracts import Json, find_breaches, schemas

pytestmark = pytest.mark.unit

PUBLISHED = schemas()
FIELDS = [(name, field) for name, schema in PUBLISHED.items() for field in schema["properties"]]


def changed(name: str) -> tuple[dict[str, Json], Json]:
    """All schemas anew, and one of them to be changed."""
    present = deepcopy(PUBLISHED)
    return present, present[name]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[".".join(each) for each in FIELDS])
def test_a_published_field_cannot_be_taken_away(name: str, field: str) -> None:
    present, schema = changed(name)
    del schema["properties"][field]
    schema["required"] = [other for other in schema["required"] if other != field]
    assert find_breaches(PUBLISHED, present) == [f"{name}.{field} is gone"]


def test_an_event_cannot_be_taken_away() -> None:
    present = {name: schema for name, schema in PUBLISHED.items() if name != "order.placed"}
    assert find_breaches(PUBLISHED, present) == ["order.placed is gone"]


def test_what_may_be_left_out_cannot_be_demanded_later() -> None:
    present, schema = changed("order.cancelled")
    schema["required"] += ["restock"]
    assert find_breaches(PUBLISHED, present) == ["order.cancelled.restock is required now"]


def test_a_new_field_needs_a_default() -> None:
    present, schema = changed("order.placed")
    schema["properties"]["gift"] = {"type": "boolean"}
    schema["required"] += ["gift"]
    assert find_breaches(PUBLISHED, present) == ["order.placed.gift is required now"]


@pytest.mark.parametrize(
    ("name", "field", "kind"),
    [
        ("order.placed", "version", {"type": "string"}),
        ("order.placed", "order_id", {"type": "string"}),
        ("order.placed", "lines", {"type": "string"}),
        ("order.placed", "number", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("product.updated", "sku", {"type": "string"}),
        ("product.updated", "sku", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("user.sessions_revoked", "sessions", {"type": "array", "items": {"type": "integer"}}),
    ],
)
def test_a_published_field_stays_of_its_kind(name: str, field: str, kind: Json) -> None:
    present, schema = changed(name)
    schema["properties"][field] = kind
    assert find_breaches(PUBLISHED, present)[0].startswith(f"{name}.{field}")


def test_what_lies_deeper_is_kept_too() -> None:
    present, schema = changed("order.placed")
    del schema["$defs"]["Line"]["properties"]["quantity"]
    assert find_breaches(PUBLISHED, present) == ["order.placed.lines[].quantity is gone"]


def test_another_description_a_new_field_with_a_default_and_a_new_event_break_nothing() -> None:
    present, schema = changed("order.placed")
    schema["description"] = "Said in other words."
    schema["properties"]["gift"] = {"type": "boolean", "default": False}
    schema["$defs"]["Line"]["properties"]["wrapping"] = {"type": "string", "default": ""}
    present["order.returned"] = {"properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    assert find_breaches(PUBLISHED, present) == []


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = describe()

    def references(part: object) -> list[str]:
        if isinstance(part, list):
            return [found for each in part for found in references(each)]
        if not isinstance(part, dict):
            return []
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for each in part.values() for found in references(each)]

    for reference in references(document):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    assert len(references(document)) > 50
