"""The contracts' room: the schemas of what services say to each other, and what would break the published ones."""

from collections.abc import Iterator, Mapping
from typing import Any

from common.events import Envelope, Event, auth, catalog, orders, registered

Json = dict[str, Any]

OWNERS = (auth, catalog, orders)
DIALECT = "https://json-schema.org/draft/2020-12/schema"
REMARKS = frozenset(("title", "description", "default", "examples", "$schema", "$id"))
"""What may change in a schema without changing what it allows."""


def every_event() -> dict[str, type[Event]]:
    """The events that are part of the contract, by their type."""
    modules = {owner.__name__ for owner in OWNERS}
    return {name: kind for name, kind in sorted(registered().items()) if kind.__module__ in modules}


def schemas() -> dict[str, Json]:
    """The JSON Schema of each event's `data` by its type, and of what goes around it as `envelope`."""
    found: dict[str, Json] = {"envelope": _schema("envelope", Envelope.model_json_schema(mode="serialization"))}
    for name, kind in every_event().items():
        found[name] = _schema(f"{name}:{kind.dataversion}", kind.model_json_schema(mode="serialization"))
    return found


def find_breaches(published: Mapping[str, Json], present: Mapping[str, Json]) -> list[str]:
    """What those who hear the published events could no longer read, or could not read of what is still under way.

    A new field with a default is no breach, nor is another description.
    """
    found = [f"{name} is gone" for name in sorted(published.keys() - present.keys())]
    for name in sorted(published.keys() & present.keys()):
        found += _differences(name, (published[name], published[name]), (present[name], present[name]))
    return found


def _schema(name: str, schema: Json) -> Json:
    return {"$schema": DIALECT, "$id": f"urn:stoa:event:{name}", **schema}


Placed = tuple[Json, Json]
"""A part of a schema, and the whole to which its references point."""


def _differences(path: str, was: Placed, now: Placed) -> Iterator[str]:
    before, after = _resolved(was), _resolved(now)
    if "properties" in before and "properties" in after:
        yield from _fields(path, (before, was[1]), (after, now[1]))
    elif "items" in before and "items" in after:
        yield from _differences(f"{path}[]", (before["items"], was[1]), (after["items"], now[1]))
    elif len(before.get("anyOf", [])) != len(after.get("anyOf", [])) or _rule(before) != _rule(after):
        yield f"{path} has changed"
    else:
        for one, other in zip(before.get("anyOf", []), after.get("anyOf", []), strict=True):
            yield from _differences(path, (one, was[1]), (other, now[1]))


def _fields(path: str, was: Placed, now: Placed) -> Iterator[str]:
    before, after = was[0]["properties"], now[0]["properties"]
    for name in before:
        if name in after:
            yield from _differences(f"{path}.{name}", (before[name], was[1]), (after[name], now[1]))
        else:
            yield f"{path}.{name} is gone"
    for name in sorted({*now[0].get("required", [])} - {*was[0].get("required", [])}):
        yield f"{path}.{name} is required now"


def _resolved(placed: Placed) -> Json:
    part, whole = placed
    while "$ref" in part:
        part = whole["$defs"][part["$ref"].removeprefix("#/$defs/")]
    return part


def _rule(schema: Json) -> Json:
    """What it demands by itself; what its alternatives do is compared one by one."""
    return {name: value for name, value in schema.items() if name not in REMARKS and name != "anyOf"}
