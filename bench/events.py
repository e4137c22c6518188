"""Measures the way of events: `make bench-events`. A database and a broker of its own; nothing of yours is touched."""

from typing import Annotated

import typer

from measuring.commands import alone, print_all
from measuring.events import Pace, carrying

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def events(
    number: Annotated[int, typer.Option(min=1000, help="Events each time")] = Pace.number,
    rounds: Annotated[int, typer.Option(min=1, help="Each way so often, in turn")] = Pace.rounds,
) -> None:
    """Measure and print P7."""
    with alone() as step:
        print_all(carrying(None, step, Pace(number, rounds)))


if __name__ == "__main__":
    app()
