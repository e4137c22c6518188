"""What one of many costs: the processor time of each process of a stack, beyond what it uses when nothing happens.

It depends less on other work of the machine than rates do, and not little: shared caches make everything dearer. So
two versions are compared in one hour, and by what they have in common.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from measuring.house import Bench
from measuring.results import Bars, Figure, NoLoad
from stoa.marks import group_cpu_s

REST_S = 5.0
"""How long the stack is watched at rest: it looks for work every 0.2 s, so it is seen to do so 25 times."""

Spent = Mapping[str, float]


@dataclass(frozen=True)
class Reading:
    """At a moment of the monotonic clock: what each process has used so far, in seconds."""

    at: float
    spent: Spent

    @classmethod
    def of(cls, running: Bench) -> Self:
        """All processes that the supervisor of the stack knows."""
        states = running.house.supervisor.states()
        return cls(time.monotonic(), {name: group_cpu_s(state.pid) for name, state in states.items() if state.pid})


def costs_ms(rest: Reading, begin: Reading, end: Reading, number: int) -> dict[str, float]:
    """Milliseconds that each process took for each of so many between begin and end, the dearest first.

    What it used from `rest` to `begin`, when it had nothing to do, is what it would have used anyway. Raises NoLoad.
    """
    if number < 1:
        raise NoLoad("Nothing was done that could have cost anything.")
    share = (end.at - begin.at) / (begin.at - rest.at)
    used = {
        name: end.spent[name] - spent - share * (spent - rest.spent[name])
        for name, spent in begin.spent.items()
        if name in end.spent and name in rest.spent
    }
    costs = {name: max(0.0, seconds) * 1000 / number for name, seconds in used.items()}
    return dict(sorted(costs.items(), key=lambda cost: -cost[1]))


@contextmanager
def costing(running: Bench, count: Callable[[], int]) -> Iterator[dict[str, float]]:
    """Watch what happens in the block; afterwards what is yielded holds its cost, for each of those counted."""
    costs: dict[str, float] = {}
    before, rest = count(), Reading.of(running)
    time.sleep(REST_S)
    begin = Reading.of(running)
    yield costs
    end = Reading.of(running)
    costs |= costs_ms(rest, begin, end, count() - before)


def figure_of(costs: Mapping[str, float]) -> Figure:
    """What an order of P2 costs, from the cost of each process."""
    return Figure(
        "P2 cost",
        "what an order costs each process, from its request to its mail",
        ("process", "ms of processor"),
        (*((name, f"{cost:.2f}") for name, cost in costs.items()), ("**all**", f"**{sum(costs.values()):.2f}**")),
        Bars("ms of processor an order", tuple(costs), {"ms": tuple(costs.values())}),
        notes=("Beyond what the stack uses at rest. Other work of the machine makes all of it dearer.",),
    )
