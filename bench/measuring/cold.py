"""P8, a cold `make up`: in a copy of this checkout that has nothing of what a run makes, where the packages are known.

It is the whole of what somebody waits for after a clone: environments from the caches of pip and uv, servers with
empty data, migrations, accounts, the demo. What is not in it is what only the first start on a machine needs: apt, and
fetching packages from an index; the first round would show that, the median does not.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from measuring.ending import undisturbed
from measuring.house import PORTS
from measuring.results import Bars, Figure, NoLoad, Step, at_most
from stoa.marks import end, marked
from stoa.servers import free_port_block
from stoa.servers.server import run_through
from stoa.settings import ROOT

GOAL_S = 30
UNDONE_S = 60
"""What an interrupted start may take to stop what it has started."""
MADE = (".git", ".env", ".run*", ".venv*", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
"""What a clone has not: what is made by running, building and testing."""
DONE = re.compile(r"✓ (.+?) ([\d.]+) s$", re.MULTILINE)
"""How a step of the start is told once it is done."""


@dataclass(frozen=True)
class Pace:
    """So many copies, one after the other."""

    rounds: int = 3


@dataclass(frozen=True)
class Start:
    """Seconds of a whole start, and of each step as the start itself tells it."""

    seconds: float
    steps: Mapping[str, float] = field(default_factory=dict)


def starting(_stack: None, step: Step, pace: Pace) -> list[Figure]:
    """P8. Nothing else of the bench may run meanwhile. Raises NoLoad."""
    found = []
    for number in range(1, pace.rounds + 1):
        step(f"round {number} of {pace.rounds}")
        found.append(_one())
    return [figure_of(found)]


def figure_of(starts: Sequence[Start]) -> Figure:
    """P8 from each start."""
    total = statistics.median(start.seconds for start in starts)
    steps = {name: statistics.median(start.steps.get(name, 0.0) for start in starts) for name in starts[0].steps}
    return Figure(
        "P8 start",
        "a cold `make up` in a fresh copy, on a machine that has the packages",
        ("step", "seconds"),
        (*((name, f"{each:.1f}") for name, each in steps.items()), ("**all of it**", f"**{total:.1f}**")),
        Bars("seconds", ("all of it", *steps), {"s": (total, *steps.values())}, GOAL_S, f"≤ {GOAL_S} s"),
        (at_most("all of it", total, GOAL_S, " s"),),
        (f"The rounds: {', '.join(f'{start.seconds:.1f}' for start in starts)} s. Packages come from the caches.",),
    )


def steps_of(told: str) -> dict[str, float]:
    """The seconds of each step, in the words of the start; steps shorter than a second are told as 0 by some."""
    return {name: float(seconds) for name, seconds in DONE.findall(told)}


def copy(checkout: Path, to: Path) -> None:
    """As a clone would be, with what is not committed yet."""
    shutil.copytree(checkout, to, symlinks=True, ignore=shutil.ignore_patterns(*MADE))


def _one() -> Start:
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as name:
        checkout = Path(name).resolve() / "stoa"
        copy(ROOT, checkout)
        environment = _environment()
        try:
            begun = time.perf_counter()
            code, told = run_gently(["make", "-C", str(checkout), "up"], environment)
            taken = time.perf_counter() - begun
        finally:
            with undisturbed():
                _down(checkout, environment)
    if code:
        raise NoLoad(f"A cold `make up` failed: {told.strip()}")
    return Start(taken, steps_of(told))


def _environment() -> dict[str, str]:
    """Ours without what belongs to this stack, this environment and this `make`; with ports that are free."""
    base = free_port_block(PORTS)
    ours = ("STOA_", "MAKE", "MFLAGS", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"STOA_PORT_BASE": str(base), "STOA_PORT": str(base + PORTS - 1)}


def run_gently(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run it to its end; what interrupts us asks it to end, as it has work of its own to undo."""
    return run_through(command, environment, _end)


def _end(process: "subprocess.Popen[str]") -> None:
    with undisturbed():
        for number, patience_s in ((signal.SIGTERM, UNDONE_S), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=patience_s)
                return


def _down(checkout: Path, environment: Mapping[str, str]) -> None:
    """Whatever the start has left running, finished or not."""
    if (stoa := checkout / ".venv/bin/stoa").exists():
        run_gently([str(stoa), "down"], environment)
    end(lambda: marked(checkout / ".run"))
