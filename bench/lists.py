"""Measures lists of orders as they grow: `make bench-lists`. A stack of its own; nothing of yours is touched."""

from typing import Annotated

import typer

from measuring.commands import alone, print_all
from measuring.house import bench
from measuring.order_lists import Pace, as_they_grow
from measuring.tools import WRK

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def lists(
    sizes: Annotated[list[int] | None, typer.Argument(help="Orders in the table, growing")] = None,
    seconds: Annotated[int, typer.Option(min=1, help="Each list is asked for so long")] = Pace.seconds,
) -> None:
    """Measure and print P9 of orders."""
    pace = Pace(tuple(sorted(sizes or Pace.sizes)), seconds)
    with alone(WRK) as step, bench(step=step) as running:
        print_all(as_they_grow(running, step, pace))


if __name__ == "__main__":
    app()
