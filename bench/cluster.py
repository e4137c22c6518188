"""`make chaos-cluster`: kills a node of each cluster under load, and accounts for every order that was answered."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import OperationalError

from clusters.site import ClusterSite, clustered
from replaying.stop import Stop
from stoa.preflight import NotNow
from stoa.stack import NOTIFIER_THREADS
from wrecking.checking import Row
from wrecking.faults import NONE, SERVICES, Fault
from wrecking.run import Havoc
from wrecking.stack import NotBack, Site

LOST = frozenset({"what was answered is so", "each event is heard once by all who hear it", "sold counts agree"})
DOUBLED = frozenset(
    {"no key has two orders", "each order has each effect once", "no copies of mails but those of killed workers"}
)
"""Names of invariants (`wrecking.invariants`)."""
ALIKE = "every node holds the same"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def cluster(seed: Annotated[int | None, typer.Option(help="Of what the buyers do")] = None) -> None:
    """Kill and check. Exit code 1: something is lost, doubled or does not add up; 2: it could not be run."""
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    begun, rows, away = time.monotonic(), list[Row](), dict[str, float]()
    try:
        with clustered() as site:
            console.print(f"Seed {seed}; three nodes each, up after {time.monotonic() - begun:.0f} s.")
            away = site.back_s
            asyncio.run(Havoc(console, seed, rows=rows).wreak(site, [[fault] for fault in _faults(site)]))
            rows.append(_compared(site))
    except (Stop, NotNow, NotBack, OperationalError) as error:
        console.print(f"[bold red]{escape(str(error))}[/]")
        raise typer.Exit(2) from None
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        if rows:
            _show(rows, away, f"Seed {seed}, {(time.monotonic() - begun) / 60:.1f} minutes")
    raise typer.Exit(1 if any(row.violations for row in rows) else 0)


def _faults(site: ClusterSite) -> Sequence[Fault]:
    """The writer, the leader, and the writer's heir once the first one is back."""
    return (
        _kill(site, "the writing database", site.writer, frozenset(SERVICES)),
        _kill(site, "the leader of most queues", site.leader, NONE),
        _kill(site, "the writing database, again", site.writer, frozenset(SERVICES)),
    )


def _kill(site: ClusterSite, what: str, chosen: Callable[[], str], may_fail: frozenset[str]) -> Fault:
    @contextmanager
    def kill(_: Site) -> Iterator[None]:
        site.wait_whole()
        name = chosen()
        console.print(f"    it is {name}", style="dim")
        with site.killed(name):
            yield

    return Fault(f"kill {what}", kill, may_fail, copies=NOTIFIER_THREADS)


def _compared(site: ClusterSite) -> Row:
    row = Row(ALIKE, is_checked=True)
    site.wait_whole()
    if found := site.differences():
        row.violations[ALIKE] = found
        for each in found:
            console.print(f"[bold red]{each}[/]")
    return row


def _show(rows: Sequence[Row], away: dict[str, float], title: str) -> None:
    columns = ("fault", "requests", "put off", "orders flow after, s", "lost", "doubled", "other violations")
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        recovered = "" if row.recovery_s is None else f"{row.recovery_s:.1f}"
        table.add_row(row.name, f"{row.requests:,}", f"{row.failures:,}", recovered, *map(str, counted(row)))
    console.print(table)
    console.print("Back in their cluster: " + ", ".join(f"{name} after {took:.1f} s" for name, took in away.items()))


def counted(row: Row) -> tuple[int, int, int]:
    """How much is lost, doubled, and wrong in another way."""
    lost = sum(len(wrong) for name, wrong in row.violations.items() if name in LOST)
    doubled = sum(len(wrong) for name, wrong in row.violations.items() if name in DOUBLED)
    return lost, doubled, sum(map(len, row.violations.values())) - lost - doubled


if __name__ == "__main__":
    app()
