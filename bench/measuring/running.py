"""A run of the bench: stage after stage, each on its stack; what fails is told and does not end the others."""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from measuring.ending import within
from measuring.house import Bench, bench
from measuring.plan import UP_S, Measurement, Stage
from measuring.results import Figure, NoLoad
from measuring.telling import Telling
from stoa.preflight import NotNow
from stoa.servers import ServerFailed

SLOW = 4
"""A measurement that takes so many times as long as it does as a rule, and `SPARE_S` more, is given up."""
SPARE_S = 300
STACK = "start"

Found = Callable[[Figure], None]


def parts(stages: Iterable[Stage], *, quick: bool) -> dict[str, int]:
    """Seconds of each part of the run, by the name under which it is told."""
    found: dict[str, int] = {}
    for number, stage in enumerate(stages):
        if stage.stack:
            found[_stack(number)] = UP_S
        found |= {measurement.name: measurement.pace(quick=quick).about_s for measurement in stage.measurements}
    return found


def run(stages: Sequence[Stage], telling: Telling, found: Found, failed: Callable[[str], None], *, quick: bool) -> None:
    """Measure all of it; each figure is told to `found` as soon as it is there, each failure's sentence to `failed`."""
    for number, stage in enumerate(stages):
        with _told(failed, f"Stage {number + 1}"), _ground(stage, number, telling) as ground:
            for measurement in stage.measurements:
                telling.begin(measurement.name)
                with _told(failed, ", ".join(measurement.keys)):
                    for figure in _measured(measurement, ground, telling, quick=quick):
                        found(figure)


@contextmanager
def _ground(stage: Stage, number: int, telling: Telling) -> Iterator[Bench | None]:
    if not stage.stack:
        yield None
        return
    telling.begin(_stack(number))
    with bench(step=telling.step) as running:
        yield running


def _measured(measurement: Measurement, ground: Bench | None, telling: Telling, *, quick: bool) -> list[Figure]:
    pace = measurement.pace(quick=quick)
    with within(SLOW * pace.about_s + SPARE_S, ", ".join(measurement.keys)):
        return measurement.measure(ground, telling.step, pace.said)


@contextmanager
def _told(failed: Callable[[str], None], what: str) -> Iterator[None]:
    """An interruption ends everything; any other failure, foreseen or not, only this: what is measured stays."""
    try:
        yield
    except (NoLoad, NotNow, ServerFailed) as failure:
        failed(f"{what}: {failure}")
    except Exception as failure:
        traceback.print_exc()
        failed(f"{what}: {type(failure).__name__}: {failure}")


def _stack(number: int) -> str:
    return f"a stack ({number + 1})"
