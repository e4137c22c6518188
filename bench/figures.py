"""`make bench`: every figure of docs/performance.md in one run, each against its bound, with its table and picture."""

import shutil
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from common.clock import now
from measuring.ending import FAILED, sentences
from measuring.machine import busy, load_now, machine, measured_on
from measuring.plan import Stage, chosen, keys, measurements
from measuring.results import Figure
from measuring.running import parts, run
from measuring.showing import show, show_verdicts
from measuring.telling import Telling, about
from measuring.tools import require
from measuring.writing import Page
from stoa.settings import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
TRIAL = ROOT / ".run" / "bench"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def figures(
    only: Annotated[str, typer.Option(help="Such as P2,P5 or 'P9 orders'; what is measured together comes along")] = "",
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Only show that it works, and write elsewhere")] = False,
) -> None:
    """Measure, print, and write into docs/performance.md.

    Exit code 0 all was measured, whether goals were reached or not; 1 something could not be; 2 nothing could.
    """
    with sentences():
        stages = chosen(only.split(","))
        require(tool for measurement in measurements(stages) for tool in measurement.needs)
        page = _page(quick=quick)
        page.check(keys(stages))
        found, failures = _measured(stages, page, quick=quick)
        show_verdicts(console, found)
        for failure in failures:
            console.print(f"[bold red]{failure}[/]")
        console.print(f"Written to {page.path.relative_to(ROOT)}, pictures beside it.")
    raise typer.Exit(FAILED if failures else 0)


def _page(*, quick: bool) -> Page:
    """The document, or for a trial a copy of it."""
    if not quick:
        return Page(DOCUMENT)
    TRIAL.mkdir(parents=True, exist_ok=True)
    return Page(Path(shutil.copy(DOCUMENT, TRIAL)))


def _measured(stages: list[Stage], page: Page, *, quick: bool) -> tuple[list[Figure], list[str]]:
    """Show and write each figure as soon as it is there; all of them, and the sentences of what failed."""
    load, seconds = load_now(), parts(stages, quick=quick)
    console.print(f"{', '.join(keys(stages))}: {about(sum(seconds.values()))} on two cores.")
    if warning := busy(load):
        console.print(f"[yellow]{warning}[/]")
    figures: list[Figure] = []
    failures: list[str] = []
    with Telling(console, seconds) as telling:
        run(stages, telling, partial(_found, page, load, figures), failures.append, quick=quick)
    return figures, failures


def _found(page: Page, load: float, figures: list[Figure], figure: Figure) -> None:
    figures.append(figure)
    show(console, figure)
    key = f"'{figure.key}'" if " " in figure.key else figure.key
    page.put(figure, measured_on(machine(), load, now(), f'make bench a="--only {key}"'))


if __name__ == "__main__":
    app()
