"""Measures what an order costs: `make bench-costs`. A stack of its own; nothing of yours is touched.

With several processes of each service in turn: what that brings on this machine, in orders and in reads.
"""

from typing import Annotated

import typer

from measuring.commands import alone, print_all
from measuring.costing import figure_of
from measuring.house import bench
from measuring.replicating import Costs, cost_of_orders, figures_of
from measuring.tools import WRK
from stoa.servers import SCHEMAS

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def costs(
    replicas: Annotated[list[int], typer.Option(help="Processes of each service, in turn")] = [1, 2, 3],  # noqa: B006
    seconds: Annotated[int, typer.Option(min=3, help="Load for so long, each time")] = 15,
) -> None:
    """Measure and print."""
    found: dict[int, Costs] = {}
    with alone(WRK) as step:
        for number in replicas:
            chosen = " ".join(f"{name}={number}" for name in SCHEMAS)
            with bench(replicas=chosen, step=step) as running:
                found[number] = cost_of_orders(running, step, seconds)
        print_all([figure_of(next(iter(found.values())).cpu_ms), *figures_of(found)])


if __name__ == "__main__":
    app()
