"""Published contracts: the events' schemas and the AsyncAPI document, as files that tell later what was promised."""

import json
from pathlib import Path
from typing import Any

from common.asyncapi import describe
from common.contracts import find_breaches, schemas
from stoa.preflight import NotNow
from stoa.settings import ROOT

FOLDER = ROOT / "contracts"
EVENTS = "events"


def publish(folder: Path = FOLDER) -> list[str]:
    """Write every file and name them. Raises NotNow where something published would be taken away or changed."""
    present = schemas()
    breaches = find_breaches(published(folder), present)
    if breaches:
        raise NotNow("This breaks what is published; say a new event type beside the old one.", "\n".join(breaches))
    files = {f"{EVENTS}/{name}.json": schema for name, schema in present.items()} | {"asyncapi.json": describe()}
    (folder / EVENTS).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(written(content))
    return [f"{folder.name}/{name}" for name in files]


def published(folder: Path = FOLDER) -> dict[str, Any]:
    """The schemas that are published, by the event's type."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((folder / EVENTS).glob("*.json"))}


def written(content: dict[str, Any]) -> str:
    """The text of a file: the same for the same content, and a line for each change."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
