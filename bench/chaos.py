"""`make chaos`: breaks a stack of its own in every known way, under load, and proves that its numbers add up."""

import asyncio
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from replaying.file import NotOrderLines
from replaying.plan import read_plan
from replaying.stop import Stop
from stoa.preflight import NotNow
from stoa.servers import ServerFailed
from stoa.settings import ROOT
from wrecking import plan, report
from wrecking.checking import Row
from wrecking.run import Havoc
from wrecking.stack import wreckable

DOCUMENT = ROOT / "docs" / "reliability.md"

Minutes = Annotated[int | None, typer.Option(min=1, help="Faults at random for so long, instead of each one once")]
Seed = Annotated[int | None, typer.Option(help="Of what the buyers do, and of the faults at random")]
Only = Annotated[str | None, typer.Option(help="Only faults whose names hold one of these words, with commas")]
File = Annotated[Path | None, typer.Option(help="Order lines as CSV, replayed beside", exists=True, dir_okay=False)]
Most = Annotated[int, typer.Option(min=1, help="Only the first so many of its invoices")]
Write = Annotated[
    bool, typer.Option("--write", help="Put the table into the document, also if it is of some faults only")
]
Logs = Annotated[Path | None, typer.Option(help="Keep what the processes have written in this folder")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@dataclass(frozen=True)
class Scene:
    """One stack, and what is done to it; `ends_s` after the start no new group of faults is begun."""

    groups: Iterable[plan.Group]
    replicas: str = ""
    ends_s: float | None = None


@app.command()
def chaos(
    minutes: Minutes = None,
    seed: Seed = None,
    only: Only = None,
    file: File = None,
    most_invoices: Most = 1000,
    logs: Logs = None,
    write: Write = False,
) -> None:
    """Break it and check it. Exit code 1: an invariant does not hold; 2: it could not be run."""
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    console.print(f"Seed {seed}.")
    rows: list[Row] = []
    began = time.monotonic()
    try:
        invoices = read_plan(file, most_invoices) if file else None
        for number, scene in enumerate(_scenes(minutes, seed, only), 1):
            _play(scene, Havoc(console, seed, invoices, rows), logs and logs / f"stack-{number}")
    except (Stop, NotOrderLines, NotNow, ServerFailed) as error:
        console.print(f"[bold red]{error}[/]")
        raise typer.Exit(2) from None
    finally:
        about = f"Seed {seed}, {(time.monotonic() - began) / 60:.0f} minutes."
        if rows:
            report.show(console, rows, about)
    if write or not only:
        report.write(DOCUMENT, rows, about)
    raise typer.Exit(1 if report.count(rows) else 0)


def _scenes(minutes: int | None, seed: int, only: str | None) -> list[Scene]:
    if minutes is not None:
        return [Scene(plan.at_random(seed), ends_s=60 * minutes)]
    plans = {"": plan.DEFAULT, plan.TWO_OF_EACH: plan.REPLICATED}
    chosen = {replicas: plan.only(only, groups) if only else groups for replicas, groups in plans.items()}
    scenes = [Scene(groups, replicas) for replicas, groups in chosen.items() if groups]
    if not scenes:
        raise Stop(f"No fault's name holds one of these words: {only}.")
    return scenes


def _play(scene: Scene, havoc: Havoc, logs: Path | None) -> None:
    """Everything on one stack."""
    with wreckable(scene.replicas) as site, _kept(site.logs, logs):
        ends = None if scene.ends_s is None else time.monotonic() + scene.ends_s
        try:
            asyncio.run(havoc.wreak(site, scene.groups, ends))
        except asyncio.CancelledError:  # SIGTERM
            raise KeyboardInterrupt from None


@contextmanager
def _kept(written: Path, folder: Path | None) -> Iterator[None]:
    """Copy the logs at the end, however that comes, if they are wanted."""
    try:
        yield
    finally:
        if folder:
            shutil.copytree(written, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    app()
