"""`make chaos`: breaks a stack of its own in every known way, under load, and proves that its numbers add up."""

import asyncio
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from replaying.stop import Stop
from stoa.settings import ROOT
from wrecking import plan, report
from wrecking.run import Havoc
from wrecking.stack import wreckable

DOCUMENT = ROOT / "docs" / "reliability.md"

Minutes = Annotated[int | None, typer.Option(min=1, help="Faults at random for so long, instead of each one once")]
Seed = Annotated[int | None, typer.Option(help="Of what the buyers do, and of the faults at random")]
Only = Annotated[str | None, typer.Option(help="Only faults whose names hold one of these words, with commas")]
Logs = Annotated[Path | None, typer.Option(help="Keep what the processes have written in this folder")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def chaos(minutes: Minutes = None, seed: Seed = None, only: Only = None, logs: Logs = None) -> None:
    """Break it and check it. Exit code 1: an invariant does not hold; 2: it could not be run."""
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    console.print(f"Seed {seed}.")
    groups = _groups(minutes, seed, only)
    began = time.monotonic()
    try:
        with wreckable() as site:
            havoc = Havoc(site, console, seed)
            with _kept(site.logs, logs):
                asyncio.run(havoc.wreak(groups, began + 60 * minutes if minutes else None))
    except Stop as error:
        console.print(f"[bold red]{error}[/]")
        raise typer.Exit(2) from None
    about = f"Seed {seed}, {(time.monotonic() - began) / 60:.0f} minutes."
    report.show(console, havoc.rows, about)
    if not only:
        report.write(DOCUMENT, havoc.rows, about)
    raise typer.Exit(1 if report.count(havoc.rows) else 0)


@contextmanager
def _kept(written: Path, folder: Path | None) -> Iterator[None]:
    """Copy the logs at the end, however that comes, if they are wanted."""
    try:
        yield
    finally:
        if folder:
            shutil.copytree(written, folder, dirs_exist_ok=True)


def _groups(minutes: int | None, seed: int, only: str | None) -> Iterable[plan.Group]:
    if only:
        return plan.only(only)
    return plan.DEFAULT if minutes is None else plan.at_random(seed)


if __name__ == "__main__":
    app()
