"""Which figures there are, what measures them, on what stack, and about how long that takes.

What is measured on one stack must not change what is measured after it. So the idle memory comes first, of a stack
that has done nothing; then the sockets, which sell products that nobody has sold before; then orders of the thousand
products that there are; then the reads, which make ten thousand of them and a million. An upload needs a catalogue with
nothing of the bench in it, and lists of orders a table with none, so each has a stack of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from measuring import cold, events, idling, order_lists, orders, reads, sockets, uploads
from measuring.results import Figure, NoFigure, Step
from measuring.tools import CC, SLAP, WRK, Tool

UP_S = 35
"""Starting and stopping a stack on two cores."""


@dataclass(frozen=True)
class Pace:
    """What a measurement is told about how often and how much, and the seconds that it takes then on two cores."""

    said: Any
    about_s: int


@dataclass(frozen=True)
class Measurement:
    """Finds some figures. `measure` is given the running stack, or None where it has none; it raises NoLoad.

    `quick` shows that it works; its figures are worth nothing.
    """

    name: str
    keys: tuple[str, ...]
    measure: Callable[[Any, Step, Any], list[Figure]]
    whole: Pace
    quick: Pace
    needs: tuple[Tool, ...] = ()

    def finds(self, wanted: Iterable[str]) -> bool:
        """Whether one of the wanted figures, by number or by key, is among those that it finds."""
        names = {name.casefold() for key in self.keys for name in (key, key.split()[0])}
        return any(each.casefold() in names for each in wanted)

    def pace(self, *, quick: bool) -> Pace:
        """The one or the other."""
        return self.quick if quick else self.whole


@dataclass(frozen=True)
class Stage:
    """What is measured one after the other, on one stack or on none."""

    stack: bool
    measurements: tuple[Measurement, ...]


PLAN = (
    Stage(
        False,
        (Measurement("start", ("P8 start",), cold.starting, Pace(cold.Pace(), 170), Pace(cold.Pace(rounds=1), 60)),),
    ),
    Stage(
        True,
        (
            Measurement(
                "memory",
                ("P8 memory",),
                idling.idling,
                Pace(idling.Pace(), 35),
                Pace(idling.Pace(rest_s=2, looks=2), 5),
            ),
            Measurement(
                "sockets",
                ("P5", "P5 on the way"),
                sockets.telling,
                Pace(sockets.Pace(), 260),
                Pace(sockets.Pace(clients=100, updates=100, rounds=1, idle=200), 110),
                (CC,),
            ),
            Measurement(
                "orders",
                ("P2", "P2 cost", "P3", "P4"),
                orders.placing,
                Pace(orders.Pace(), 650),
                Pace(orders.Pace(rounds=1, seconds=2, pushes=20), 150),
                (WRK, SLAP),
            ),
            Measurement(
                "reads",
                ("P1",),
                reads.against_hello,
                Pace(reads.Pace(), 120),
                Pace(reads.Pace(rounds=1, seconds=2), 30),
                (WRK,),
            ),
            Measurement(
                "lists",
                ("P9 products",),
                reads.as_it_grows,
                Pace(reads.Pace(), 480),
                Pace(reads.Pace(seconds=1, sizes=(10_000, 20_000)), 45),
                (WRK,),
            ),
        ),
    ),
    Stage(
        True,
        (
            Measurement(
                "upload",
                ("P6",),
                uploads.uploading,
                Pace(uploads.Pace(), 330),
                Pace(uploads.Pace(rows=2000, rounds=1), 15),
            ),
        ),
    ),
    Stage(
        False,
        (
            Measurement(
                "events",
                ("P7",),
                events.carrying,
                Pace(events.Pace(), 150),
                Pace(events.Pace(number=2000, rounds=1), 30),
            ),
        ),
    ),
    Stage(
        True,
        (
            Measurement(
                "lists of orders",
                ("P9 orders",),
                order_lists.as_they_grow,
                Pace(order_lists.Pace(), 700),
                Pace(order_lists.Pace(sizes=(5_000, 10_000), seconds=1), 45),
                (WRK,),
            ),
        ),
    ),
)


def keys(stages: Iterable[Stage] = PLAN) -> list[str]:
    """Every figure of these stages, in the order in which they are measured."""
    return [key for measurement in measurements(stages) for key in measurement.keys]


def measurements(stages: Iterable[Stage]) -> Iterator[Measurement]:
    """All of them."""
    return (measurement for stage in stages for measurement in stage.measurements)


def chosen(wanted: Iterable[str]) -> list[Stage]:
    """The stages that find these figures, by numbers or keys; all without any. Raises NoFigure."""
    asked = [each.strip() for each in wanted if each.strip()]
    for each in asked:
        if not any(measurement.finds([each]) for measurement in measurements(PLAN)):
            raise NoFigure(f"There is no figure {each}; known are {', '.join(sorted(keys()))}.")
    if not asked:
        return list(PLAN)
    kept = (replace(stage, measurements=tuple(m for m in stage.measurements if m.finds(asked))) for stage in PLAN)
    return [stage for stage in kept if stage.measurements]
