"""Measures the sockets: `make bench-sockets`. A stack of its own; nothing of yours is touched.

P5: updates delivered to a thousand clients, against a program in C that does nothing but `send` frames as long;
then how long each is on its way at a light load, without and with one client that never reads; what 5,000 idle clients
cost in memory; and whether a client that was cut off for half a minute under load misses anything.
"""

import asyncio
import json
import statistics
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from measuring.crowd import blasted, compiled, crowd, percentiles_ms, rate
from measuring.house import PORTS, Bench, bench, console
from measuring.loading import NoLoad
from measuring.selling import Seller

UPDATE_BYTES = 130
"""As long as an update of the stream."""
STEADY_S = 10
PER_SECOND = 20
"""Two fifths of what the C loop delivers to a thousand clients (design: performance, section 3)."""
IDLE = 5000
CUT_S = 30
BESIDE_S = 5
"""Before and after the cut."""
PATIENCE_S = 60
BOUND, DIRECT, BEHIND = "C loop of send", "realtime", "realtime, behind the gateway"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def sockets(
    clients: Annotated[int, typer.Option(min=10, help="Listeners at once")] = 1000,
    updates: Annotated[int, typer.Option(min=100, help="Products sold at once, each told to every client")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Each is measured so often, in turn")] = 3,
    idle: Annotated[int, typer.Option(min=100, help="Idle clients whose memory is measured")] = IDLE,
) -> None:
    """Measure and print."""
    try:
        with bench() as running:
            stage = Stage(running, clients, updates)
            _deliver(stage, rounds)
            _idle(stage, idle)
            asyncio.run(_cut_off(stage))
    except NoLoad as failure:
        sys.exit(str(failure))


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


def _deliver(stage: Stage, rounds: int) -> None:
    """P5, and one frozen client among the others; the first round only warms up."""
    rates: dict[str, list[float]] = {BOUND: [], DIRECT: [], BEHIND: []}
    ways: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    gateway = stage.running.house.settings.port
    for number in range(rounds + 1):
        found = (stage.bound(), stage.burst(stage.port), stage.burst(gateway))
        way = {frozen: stage.steady(frozen) for frozen in (number % 2, 1 - number % 2)}
        for name, one in zip(rates, found, strict=True):
            rates[name] += [one] if number else []
        for frozen, one_way in way.items():
            ways[frozen] += [one_way] if number else []
    _show_rates(stage, rates)
    _show_ways(stage, ways)


def _show_rates(stage: Stage, rates: dict[str, list[float]]) -> None:
    table = Table(f"{stage.updates:,} updates to {stage.clients:,} clients", "delivered/s", "of the loop", title="P5")
    reach = statistics.median(rates[BOUND])
    for name, each in rates.items():
        middle = statistics.median(each)
        table.add_row(name, f"{middle:,.0f}", f"{middle / reach:.2f}")
    console.print(table)


def _show_ways(stage: Stage, ways: dict[int, list[tuple[float, float]]]) -> None:
    table = Table(f"{PER_SECOND} updates/s to {stage.clients:,} clients", "p50 ms", "p99 ms", title="On the way")
    names = {0: "all of them read", 1: "one of them never reads: the others"}
    middles = {frozen: [statistics.median(each) for each in zip(*found, strict=True)] for frozen, found in ways.items()}
    for frozen, (middle, high) in middles.items():
        table.add_row(names[frozen], f"{middle:.1f}", f"{high:.1f}")
    console.print(table)
    console.print(f"p99 with the frozen one, of that without: {middles[1][1] / middles[0][1]:.2f}")


def _idle(stage: Stage, number: int) -> None:
    """What a client that only listens costs the process."""
    pid = stage.running.pid("realtime")
    before = _resident_kb(pid)
    with crowd(stage.program, stage.port, clients=number, expected=1):
        after = _resident_kb(pid)
    console.print(
        f"{number:,} idle clients: {before / 1024:,.0f} MB before, {after / 1024:,.0f} MB with them, "
        f"{(after - before) / number:.1f} kB each"
    )


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def _cut_off(stage: Stage) -> None:
    """A client that comes back after half a minute of selling, with the number that it had, has heard everything."""
    number = (CUT_S + 2 * BESIDE_S) * PER_SECOND
    heard: dict[int, int] = {}
    async with _listening(stage) as socket:
        await greeted(socket)
        selling = asyncio.create_task(stage.seller.selling(number, PER_SECOND))
        last = await _hear(socket, heard, BESIDE_S * PER_SECOND)
        socket.transport.abort()
    await asyncio.sleep(CUT_S)
    async with _listening(stage) as socket:
        await socket.send(json.dumps({"action": "resume", "stream": last["stream"], "last_seq": last["seq"]}))
        await _hear(socket, heard, number)
    sold = await selling
    numbers = sorted(heard.values())
    if heard.keys() != sold.keys() or numbers != list(range(numbers[0], numbers[0] + number)):
        sys.exit(f"Of {number} updates {len(sold.keys() - heard.keys())} were missed, or their numbers have gaps.")
    console.print(f"Cut off for {CUT_S} s while {number:,} were sold: resumed from number {last['seq']}, none missed")


async def greeted(socket: ClientConnection) -> None:
    """Wait for the hello: only from then on a client is told everything."""
    async with asyncio.timeout(PATIENCE_S):
        while json.loads(await socket.recv())["type"] != "hello":
            pass


def _listening(stage: Stage) -> connect:
    return connect(f"{stage.running.url.replace('http', 'ws', 1)}/ws/products/", proxy=None, compression=None)


async def _hear(socket: ClientConnection, heard: dict[int, int], number: int) -> dict[str, Any]:
    """Note the number of each product's update until that many are known; the last one that came."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == "sold_counts":
                sys.exit("What was missed was no longer known.")
            if message["type"] == "product_update":
                heard[message["product_id"]] = message["seq"]
            if len(heard) >= number:
                return message


if __name__ == "__main__":
    app()
