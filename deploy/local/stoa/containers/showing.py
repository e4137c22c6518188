"""What the containers are doing, as lines of `stoa status`."""

from collections.abc import Iterable, Mapping
from typing import Any

from stoa.containers.engine import RUNNING
from stoa.status import Line

WELL = {"healthy", ""}
"""What a container says of itself when it is ready; nothing, where it is not asked."""


def lines_of(containers: Iterable[Mapping[str, Any]], memory_mb: Mapping[str, int]) -> list[Line]:
    """One per container; those that have done their work and ended are none."""
    shown = [it for it in containers if it["State"] != "exited" or it["ExitCode"] != 0 or not _once(it)]
    return [_line(it, memory_mb.get(it["ID"], 0)) for it in sorted(shown, key=lambda it: str(it["Name"]))]


def _once(container: Mapping[str, Any]) -> bool:
    return str(container["Service"]).endswith("-migration")


def _line(container: Mapping[str, Any], memory_mb: int) -> Line:
    state, health = container["State"], container["Health"]
    ready = state == RUNNING and health in WELL
    return Line(container["Name"], f"{state} {health}".strip(), ready, None, 0, memory_mb)
