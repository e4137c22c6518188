"""Follows one order through the running stack, by what every process tells of its spans."""

from stoa.tracing.following import WAY, Trace, follow
from stoa.tracing.showing import WIDE, as_json, parts_table, tree

__all__ = ["WAY", "WIDE", "Trace", "as_json", "follow", "parts_table", "tree"]
