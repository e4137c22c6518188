"""What a figure was measured on, in one line: it is worth nothing without that."""

import os
import platform
from datetime import datetime
from pathlib import Path

BUSY = 0.5
"""Of a core's time in use by others: from there on figures come out too low."""


def machine() -> str:
    """Cores, processor, memory, kernel and interpreter."""
    cores = len(os.sched_getaffinity(0))
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = platform.release().partition("-")[0]
    return (
        f"{cores} cores{_processor(Path('/proc/cpuinfo'))}, {gigabytes:.0f} GB, "
        f"Linux {kernel}, Python {platform.python_version()}"
    )


def measured_on(machine: str, load: float, moment: datetime, command: str) -> str:
    """The line below a figure; `load` is the machine's before the run began."""
    return f"Measured on {moment:%Y-%m-%d} with `{command}`; {machine}; load before: {load:.1f}."


def load_now() -> float:
    """Processes that have wanted to run, on average of the last minute."""
    return os.getloadavg()[0]


def busy(load: float) -> str:
    """A warning for whoever measures beside other work; nothing on a quiet machine."""
    if load < BUSY:
        return ""
    return f"The machine is at work already (load {load:.1f}): its figures will come out too low."


def _processor(told: Path) -> str:
    """The processor's own name, where the kernel tells it."""
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f" ({names[0]})" if names else ""
