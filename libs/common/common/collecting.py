"""The collector's room: how often Python's garbage collector looks, and at what."""

import gc
from typing import Any

NEW = 10_000
"""Objects that are made before those are looked at. With Python's 700 a quarter of the time that a process takes to
start goes into looking, and a seventh of relay's."""


def look_seldom() -> None:
    """Let the collector wait for more than it does by itself; what is in no cycle goes at once as ever."""
    gc.set_threshold(NEW, *gc.get_threshold()[1:])


def spare_what_stays(**_: Any) -> None:
    """Let the collector look no more at what was loaded at the start; only once, as what is garbage by then stays.

    A look at all of that takes a tenth of a second, and nothing else happens meanwhile.
    """
    if not gc.get_freeze_count():
        gc.freeze()
