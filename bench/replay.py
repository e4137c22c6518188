"""`make replay`: a real shop's order lines as orders through the gateway, and the proof that every number adds up."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from replaying.checks import Check
from replaying.file import NotOrderLines
from replaying.gateway import GaveUp
from replaying.plan import read_plan
from replaying.progress import Phases
from replaying.report import as_json, show_checks, show_figures, show_plan
from replaying.run import Replay, Wishes
from replaying.stack import find_stack
from replaying.stop import Stop

PASSWORD = "ledger-and-lantern-8"  # noqa: S105 - of made-up customers on a local stack

File = Annotated[Path, typer.Argument(help="Order lines as CSV: InvoiceNo, StockCode, …", exists=True, dir_okay=False)]
Clients = Annotated[int, typer.Option(min=1, max=512, help="So many customers at once")]
Share = Annotated[float, typer.Option(min=0, help="Stock as a share of all that the file orders; 0.9 makes shortages")]
Most = Annotated[int | None, typer.Option(min=1, help="Only the first so many invoices")]
Url = Annotated[str | None, typer.Option(help="The gateway; without it as STOA_PORT says")]
Username = Annotated[str | None, typer.Option(help="Without it as STOA_ADMIN_USERNAME or the demo account")]
Password = Annotated[str | None, typer.Option(help="Without it as STOA_ADMIN_PASSWORD or the demo account")]
Customers = Annotated[str, typer.Option(help="Password of all the file's customers")]
Limit = Annotated[float, typer.Option(min=1, help="Wait until quiet while something moves within so many seconds")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures and checks to this file")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def replay(
    file: File,
    clients: Clients = 16,
    stock_share: Share = 1.0,
    most_invoices: Most = None,
    url: Url = None,
    admin_username: Username = None,
    admin_password: Password = None,
    customer_password: Customers = PASSWORD,
    quiet_limit: Limit = 300,
    json_file: Json = None,
) -> None:
    """Upload the file's products, register its customers, place its invoices as orders, and check every number."""
    try:
        stack = find_stack(url, admin_username, admin_password)
        plan = read_plan(file, most_invoices)
        show_plan(console, plan, str(file))
        with Phases(console) as phases:
            wishes = Wishes(customer_password, clients, stock_share, quiet_limit)
            figures, checks = _play(Replay(plan, stack, wishes, phases))
    except (Stop, NotOrderLines, GaveUp) as error:
        console.print(f"[bold red]{error}[/]")
        raise typer.Exit(2) from None
    show_figures(console, figures)
    show_checks(console, checks)
    if json_file:
        json_file.write_text(json.dumps(as_json(figures, checks), indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _play(replay: Replay) -> tuple[dict[str, Any], list[Check]]:
    """Run it; of what went wrong for several clients at once, the first is told."""
    try:
        return asyncio.run(replay.play())
    except ExceptionGroup as group:
        raise _first(group) from group


def _first(error: Exception) -> Exception:
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


if __name__ == "__main__":
    app()
