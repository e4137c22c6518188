"""What a person at a terminal sees of a figure."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from measuring.results import Figure, Verdict


def show(console: Console, figure: Figure) -> None:
    """The table, what it says of the goal, and what else was seen."""
    table = Table(title=f"{figure.key}: {figure.title}", title_justify="left")
    for number, column in enumerate(figure.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in figure.rows:
        table.add_row(*(cell.replace("**", "") for cell in row), style="bold" if row[0].startswith("**") else "")
    console.print(table)
    for verdict in figure.verdicts:
        console.print(_told(verdict))
    for note in figure.notes:
        console.print(f"  {note}")


def show_verdicts(console: Console, figures: Sequence[Figure]) -> None:
    """At the end, every goal on one page."""
    table = Table("", "goal", "found", "", title="What was to be reached", title_justify="left")
    for figure in figures:
        for verdict in figure.verdicts:
            outcome = "[green]✔[/]" if verdict.reached else "[bold red]✘[/]"
            table.add_row(figure.key, f"{verdict.what} {verdict.goal}", verdict.found, outcome)
    console.print(table)


def _told(verdict: Verdict) -> str:
    outcome = "[green]reached[/]" if verdict.reached else "[bold red]not reached[/]"
    return f"  {verdict.what}: {verdict.found} (goal {verdict.goal}): {outcome}"
