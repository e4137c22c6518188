"""Measures the bulk upload: `make bench-upload`. A stack of its own; nothing of yours is touched."""

from typing import Annotated

import typer

from measuring.commands import alone, print_all
from measuring.house import bench
from measuring.uploads import Pace, uploading

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def upload(
    rows: Annotated[int, typer.Option(min=1000, max=200_000, help="Products in each file")] = Pace.rows,
    rounds: Annotated[int, typer.Option(min=1, help="Each way so often, in turn")] = Pace.rounds,
) -> None:
    """Measure and print P6."""
    with alone() as step, bench(step=step) as running:
        print_all(uploading(running, step, Pace(rows, rounds)))


if __name__ == "__main__":
    app()
