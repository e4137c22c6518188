"""P8, the memory of a stack that nobody asks anything: our own processes, and the servers apart.

What is told is the proportional share (PSS): a page that several processes share is counted once among them, so that
the sum is what the machine really lacks. Resident memory (RSS) counts the interpreter's libraries in each of them anew.
"""

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from measuring.house import Bench
from measuring.results import Bars, Figure, Step, at_most
from stoa.marks import group_memory_mb

GOAL_MB = 900
APART_S = 1


@dataclass(frozen=True)
class Pace:
    """Seconds of rest before the first look, and how often is looked."""

    rest_s: int = 30
    looks: int = 5


def idling(running: Bench, step: Step, pace: Pace) -> list[Figure]:
    """P8, of a stack that has just been started."""
    stack = running.stack
    own = [*(web.name for web in (*stack.web, stack.portal)), *(worker.name for worker in stack.workers)]
    others = [*(server.name for server in stack.servers()), stack.gateway.name, stack.mailbox.name]
    step(f"nobody asks anything for {pace.rest_s} s")
    time.sleep(pace.rest_s)
    seen: dict[str, list[float]] = {}
    for _ in range(pace.looks):
        for name in (*own, *others):
            seen.setdefault(name, []).append(group_memory_mb(running.pid(name)))
        time.sleep(APART_S)
    return [figure_of({name: statistics.median(each) for name, each in seen.items()}, own, others)]


def figure_of(megabytes: Mapping[str, float], own: Iterable[str], others: Iterable[str]) -> Figure:
    """P8 from the memory of each process."""
    ours = {name: megabytes[name] for name in own}
    beside = {name: megabytes[name] for name in others}
    total = sum(ours.values())
    return Figure(
        "P8 memory",
        "idle memory of all our own processes",
        ("process", "MB (PSS)"),
        (
            *_rows(ours),
            ("**all our own: six services, two workers, the portal**", f"**{total:.0f}**"),
            *_rows(beside),
            ("servers, gateway and mailbox, which are not ours", f"{sum(beside.values()):.0f}"),
        ),
        Bars("MB (PSS)", ("all our own", *ours), {"MB": (total, *ours.values())}, GOAL_MB, f"≤ {GOAL_MB} MB"),
        (at_most("all our own", total, GOAL_MB, " MB"),),
        ("Proportional shares: a page that several processes have in common is counted once among them.",),
    )


def _rows(megabytes: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    return ((name, f"{each:.0f}") for name, each in megabytes.items())
