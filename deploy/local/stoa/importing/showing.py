"""The showing room: the bar while a file is taken in, and the table at its end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stoa.importing.jobs import Outcome, Show, Told
from stoa.importing.parts import Part

ROWS = {
    "total": "rows",
    "created": "created",
    "updated": "updated",
    "unchanged": "unchanged",
    "duplicates": "duplicates (a later row with the same SKU counts)",
    "failed": "bad rows",
    "ignored": "values that only the shop sets, ignored",
}


@contextmanager
def bar(console: Console, parts: Sequence[Part]) -> Iterator[Show]:
    """A bar over all parts: rows done, rows a second, bad rows."""
    known = [part.rows or 0 for part in parts]
    words = "{task.description}", "{task.fields[rate]}", "[red]{task.fields[bad]}"
    columns = TextColumn(words[0]), BarColumn(bar_width=32), MofNCompleteColumn(), TextColumn(words[1], style="cyan")
    bad: dict[int, int] = {}
    with Progress(*columns, TextColumn(words[2]), TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(_part(0, parts, "sending"), total=sum(known) or None, rate="", bad="")

        def show(number: int, told: Told) -> None:
            known[number] = told.get("total") or known[number]
            bad[number] = told.get("failed") or 0
            progress.update(
                task,
                description=_part(number, parts, told["status"]),
                completed=sum(known[:number]) + (told.get("processed") or 0),
                total=sum(known),
                rate=f"{told.get('rows_per_second') or 0:,.0f} rows/s",
                bad=f"{sum(bad.values())} bad" if any(bad.values()) else "",
            )

        yield show


def _part(number: int, parts: Sequence[Part], word: str) -> str:
    return word if len(parts) == 1 else f"part {number + 1} of {len(parts)}, {word}"


def report(console: Console, outcome: Outcome, file: Path, *, dry_run: bool, kept: str, seconds: float) -> None:
    """Print what has become of the file; `kept` says where the bad rows are."""
    counts = outcome.counts
    table = Table(title=f"{file.name}{', only checked: nothing was written' if dry_run else ''}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for name, words in ROWS.items():
        if counts[name] or name in ("total", "created", "updated", "unchanged", "failed"):
            table.add_row(words, f"{counts[name]:,}", style="red" if name == "failed" and counts[name] else None)
    table.add_row("rows a second, sending included", f"{counts['processed'] / max(seconds, 0.001):,.0f}")
    table.show_header = False
    console.print(table)
    if outcome.unknown_columns:
        console.print(f"Unknown columns, ignored: {', '.join(outcome.unknown_columns)}", markup=False, soft_wrap=True)
    if outcome.stopped:
        console.print(outcome.stopped, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if kept:
        console.print(kept, markup=False, highlight=False, soft_wrap=True)
