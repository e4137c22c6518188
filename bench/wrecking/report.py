"""The report's room: what was broken and what came of it, as a table for people and in the document."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from wrecking.checking import Row

COLUMNS = ("fault", "requests", "put off", "elsewhere", "slowest answer, s", "seconds to recover", "violations")
BEGIN, END = "<!-- last run: begin -->", "<!-- last run: end -->"


def cells(row: Row) -> tuple[str, ...]:
    """A row's figures; violations are counted where the books were checked, for all faults since the check before."""
    recovery = "never" if row.recovery_s is None else f"{row.recovery_s:.1f}"
    wrong = sum(map(len, row.violations.values()))
    violations = str(wrong) if row.is_checked or wrong else ""
    figures = f"{row.requests:,}", f"{row.failures:,}", f"{row.elsewhere:,}", f"{row.slowest_s:.1f}"
    return row.name, *figures, recovery, violations


def totals(rows: Sequence[Row]) -> tuple[str, ...]:
    """All faults together: sums, the slowest answer and the longest recovery."""
    known = [row.recovery_s for row in rows if row.recovery_s is not None]
    longest, slowest = f"{max(known, default=0):.1f}", f"{max((row.slowest_s for row in rows), default=0):.1f}"
    sums = (sum(getattr(row, what) for row in rows) for what in ("requests", "failures", "elsewhere"))
    return f"{len(rows)} faults", *(f"{total:,}" for total in sums), slowest, longest, str(count(rows))


def count(rows: Sequence[Row]) -> int:
    """How many violations there were."""
    return sum(len(wrong) for row in rows for wrong in row.violations.values())


def show(console: Console, rows: Sequence[Row], about: str) -> None:
    """The table at the terminal."""
    table = Table(*COLUMNS, title=about, title_justify="left")
    for row in rows:
        table.add_row(*cells(row))
    table.add_section()
    table.add_row(*totals(rows))
    console.print(table)
    wrong = count(rows)
    console.print(f"[bold red]{wrong} violations.[/]" if wrong else "[bold green]Every invariant holds.[/]")


def write(document: Path, rows: Sequence[Row], about: str) -> None:
    """Put the table into the document, in the place of the last one."""
    lines = [about, "", _line(COLUMNS), _line(["---", *["--:"] * (len(COLUMNS) - 1)])]
    lines += [_line(cells(row)) for row in rows] + [_line(totals(rows))]
    block = "\n".join([BEGIN, *lines, END])
    text = document.read_text(encoding="utf-8")
    new, found = re.subn(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)
    if not found:
        raise ValueError(f"{document} has no place for the table")
    document.write_text(new, encoding="utf-8")


def _line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"
