"""Measures reads of the catalogue: `make bench-reads`. A stack of its own; nothing of yours is touched."""

from typing import Annotated

import typer

from measuring.commands import alone, print_all
from measuring.house import bench
from measuring.reads import Pace, against_hello, as_it_grows
from measuring.tools import WRK

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def reads(
    rounds: Annotated[int, typer.Option(min=1, help="Each is measured so often, in turn")] = Pace.rounds,
    seconds: Annotated[int, typer.Option(min=1, help="Each time for so long")] = Pace.seconds,
    sizes: Annotated[str, typer.Option(help="Numbers of products, growing")] = ",".join(map(str, Pace.sizes)),
) -> None:
    """Measure and print P1, and P9 of the catalogue."""
    pace = Pace(rounds, seconds, tuple(map(int, sizes.split(","))))
    with alone(WRK) as step, bench(step=step) as running:
        print_all(against_hello(running, step, pace))
        print_all(as_it_grows(running, step, pace))


if __name__ == "__main__":
    app()
