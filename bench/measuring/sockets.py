"""Live counts: P5, updates delivered to a thousand clients against a program in C that does nothing but `send`.

And how long each is on its way at a light load, without and with one client that never reads; what idle clients cost in
memory; and whether a client that was cut off for half a minute under load misses anything.
"""

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measuring.crowd import blasted, compiled, crowd, percentiles_ms, rate
from measuring.cutting import cut_off
from measuring.house import PORTS, Bench
from measuring.results import Bars, Figure, Step, at_least
from measuring.selling import Seller

UPDATE_BYTES = 130
"""As long as an update of the stream."""
STEADY_S = 10
PER_SECOND = 20
"""Two fifths of what the C loop delivers to a thousand clients (design: performance, section 3)."""
GOAL = 0.9
BOUND, DIRECT, BEHIND = "C loop of `send`", "realtime", "realtime, behind the gateway"
WAYS = {0: "all of them read", 1: "one of them never reads: the others"}


@dataclass(frozen=True)
class Pace:
    """So many listeners at once, each told of so many products that are sold at once, so often; and so many idle."""

    clients: int = 1000
    updates: int = 1000
    rounds: int = 3
    idle: int = 5000


@dataclass
class Taken:
    """Deliveries a second of each side; p50 and p99 in ms by the number of clients that never read."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    ways: dict[int, list[tuple[float, float]]] = field(default_factory=dict)


class Stage:
    """A running stack, somebody who sells, and a crowd that listens."""

    def __init__(self, running: Bench, clients: int, updates: int) -> None:
        self.running = running
        self.clients = clients
        self.updates = updates
        self.program = compiled(running.folder)
        self.seller = Seller(running.stack.rabbitmq.url())
        self.port = running.house.settings.port_of("realtime")

    def bound(self) -> float:
        """Deliveries a second of a loop in C."""
        port = self.running.base + PORTS - 2
        return rate(blasted(self.program, port, clients=self.clients, messages=self.updates, length=UPDATE_BYTES))

    def burst(self, port: int) -> float:
        """Deliveries a second when many products are sold at once."""
        with crowd(self.program, port, clients=self.clients, expected=self.clients * self.updates) as listeners:
            self.seller.sell(self.updates)
            return rate(listeners.heard())

    def steady(self, frozen: int) -> tuple[float, float]:
        """p50 and p99 in ms of an update's way, right after so much that whoever does not read has a full socket.

        What is measured begins when all others have heard the last of that.
        """
        reading = self.clients - frozen
        burst, expected = reading * self.updates, reading * (self.updates + STEADY_S * PER_SECOND)
        with crowd(
            self.program, self.port, clients=self.clients, expected=expected, frozen=frozen, burst=burst
        ) as listeners:
            self.seller.sell(self.updates)
            listeners.hears_the_burst()
            said = self.seller.sell(STEADY_S * PER_SECOND, PER_SECOND)
            return percentiles_ms(listeners.heard(), said)


def telling(running: Bench, step: Step, pace: Pace) -> list[Figure]:
    """P5. Raises NoLoad, also when the client that was cut off misses anything."""
    stage = Stage(running, pace.clients, pace.updates)
    taken = _in_turn(stage, step, pace.rounds)
    step(f"{pace.idle:,} idle clients")
    idle = _idle(stage, pace.idle)
    step("a client that is cut off")
    cut = asyncio.run(cut_off(running.url, stage.seller, PER_SECOND))
    return [_delivered(stage, taken.rates, (idle, cut)), _on_the_way(stage, taken.ways)]


def _in_turn(stage: Stage, step: Step, rounds: int) -> Taken:
    """The first round only warms up; who goes first of the two at a light load changes from round to round."""
    taken = Taken()
    gateway = stage.running.house.settings.port
    sides: dict[str, Callable[[], float]] = {
        BOUND: stage.bound,
        DIRECT: lambda: stage.burst(stage.port),
        BEHIND: lambda: stage.burst(gateway),
    }
    for number in range(rounds + 1):
        for name, measure in sides.items():
            step(f"round {number} of {rounds}: {name}")
            taken.rates.setdefault(name, []).append(measure())
        for frozen in (number % 2, 1 - number % 2):
            step(f"round {number} of {rounds}: a light load, {WAYS[frozen]}")
            taken.ways.setdefault(frozen, []).append(stage.steady(frozen))
    return Taken(
        {name: each[1:] for name, each in taken.rates.items()},
        {frozen: each[1:] for frozen, each in sorted(taken.ways.items())},
    )


def _delivered(stage: Stage, rates: Mapping[str, Sequence[float]], notes: tuple[str, ...]) -> Figure:
    middles = {name: statistics.median(each) for name, each in rates.items()}
    shares = {name: middle / middles[BOUND] for name, middle in middles.items()}
    return Figure(
        "P5",
        f"{stage.updates:,} updates delivered to {stage.clients:,} clients",
        ("", "delivered/s", "of the loop"),
        tuple((name, f"{middles[name]:,.0f}", f"{share:.2f}") for name, share in shares.items()),
        Bars(
            "delivered a second, of the loop",
            ("C loop of send", *tuple(shares)[1:]),
            {"of the loop": tuple(shares.values())},
            GOAL,
            f"≥ {GOAL}",
        ),
        tuple(at_least(f"{name}, of the loop", shares[name], GOAL) for name in (DIRECT, BEHIND)),
        notes,
    )


def _on_the_way(stage: Stage, ways: Mapping[int, Sequence[tuple[float, float]]]) -> Figure:
    """p50 and p99 from the moment an order is said to the broker."""
    middles = {WAYS[frozen]: tuple(map(statistics.median, zip(*found, strict=True))) for frozen, found in ways.items()}
    high = [each[1] for each in middles.values()]
    return Figure(
        "P5 on the way",
        f"from the broker to the client, {PER_SECOND} updates a second to {stage.clients:,} clients",
        ("", "p50 ms", "p99 ms"),
        tuple((name, f"{middle:.1f}", f"{most:.1f}") for name, (middle, most) in middles.items()),
        Bars(
            "ms from the broker to the client",
            tuple(middles),
            {part: tuple(each[n] for each in middles.values()) for n, part in enumerate(("p50", "p99"))},
        ),
        notes=(f"p99 with the one that never reads, of that without: {high[1] / high[0]:.2f}.",),
    )


def _idle(stage: Stage, number: int) -> str:
    """What a client that only listens costs the process."""
    pid = stage.running.pid("realtime")
    before = _resident_kb(pid)
    with crowd(stage.program, stage.port, clients=number, expected=1):
        after = _resident_kb(pid)
    return (
        f"{number:,} idle clients cost {(after - before) / number:.0f} kB each "
        f"({before / 1024:,.0f} MB before, {after / 1024:,.0f} MB with them)."
    )


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
