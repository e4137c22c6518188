"""Measures the sockets: `make bench-sockets`. A stack of its own; nothing of yours is touched."""

from typing import Annotated

import typer

from measuring.commands import alone, print_all
from measuring.house import bench
from measuring.sockets import Pace, telling
from measuring.tools import CC

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def sockets(
    clients: Annotated[int, typer.Option(min=10, help="Listeners at once")] = Pace.clients,
    updates: Annotated[
        int, typer.Option(min=100, help="Products sold at once, each told to every client")
    ] = Pace.updates,
    rounds: Annotated[int, typer.Option(min=1, help="Each is measured so often, in turn")] = Pace.rounds,
    idle: Annotated[int, typer.Option(min=100, help="Idle clients whose memory is measured")] = Pace.idle,
) -> None:
    """Measure and print P5."""
    with alone(CC) as step, bench(step=step) as running:
        print_all(telling(running, step, Pace(clients, updates, rounds, idle)))


if __name__ == "__main__":
    app()
