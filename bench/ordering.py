"""Measures the placing of orders: `make bench-orders`. A stack of its own; nothing of yours is touched."""

from typing import Annotated

import typer

from measuring.buying import PRODUCTS
from measuring.commands import alone, print_all
from measuring.house import bench
from measuring.orders import Pace, placing
from measuring.tools import SLAP, WRK

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def orders(
    rounds: Annotated[int, typer.Option(min=1, help="Each is measured so often, in turn")] = Pace.rounds,
    seconds: Annotated[int, typer.Option(min=1, help="Each time for so long")] = Pace.seconds,
    pushes: Annotated[
        int, typer.Option(min=10, max=PRODUCTS, help="Orders whose way to the wire is measured")
    ] = Pace.pushes,
) -> None:
    """Measure and print P2, P3 and P4."""
    with alone(WRK, SLAP) as step, bench(step=step) as running:
        print_all(placing(running, step, Pace(rounds, seconds, pushes)))


if __name__ == "__main__":
    app()
