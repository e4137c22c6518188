"""Measures a cold start and the memory of a stack at rest: `make bench-start`. Nothing of yours is touched."""

from typing import Annotated

import typer

from measuring import cold, idling
from measuring.commands import alone, print_all
from measuring.house import bench

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def starting(
    rounds: Annotated[int, typer.Option(min=1, help="Cold starts, each in a copy of its own")] = cold.Pace.rounds,
    rest_s: Annotated[int, typer.Option(min=1, help="Seconds of rest before memory is looked at")] = idling.Pace.rest_s,
) -> None:
    """Measure and print P8."""
    with alone() as step:
        print_all(cold.starting(None, step, cold.Pace(rounds)))
        with bench(step=step) as running:
            print_all(idling.idling(running, step, idling.Pace(rest_s)))


if __name__ == "__main__":
    app()
