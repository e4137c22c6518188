"""The files' room: reads an uploaded file row by row, in memory that does not grow with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from catalog.lines import COLUMNS, KNOWN, LONGEST_ROW, SHOWN, Line
from catalog.tables import Header, csv_table, sheet_table
from catalog.texts import lines_in, open_text, read_through
from common.errors import Invalid, TooLarge

__all__ = ["COLUMNS", "CSV", "JSON", "NDJSON", "SHEET", "XLSX", "Inspection", "Line", "inspect", "lines_of"]

CSV, NDJSON, SHEET = "csv", "ndjson", "sheet"
"""What rows are read from: `sheet` is an array of cells a line, in which a cell's error is an object."""
JSON, XLSX = "json", "xlsx"
"""What is first turned into NDJSON and into a sheet."""
MOST_ROWS = 200_000
"""Rows that one upload may have (design: api, section 3)."""
MOST_NAMED = 100
LONGEST_NAMED = 64
"""Unknown columns that are named, and the signs of one's name."""
DEEPEST = 20
"""How deep a row may be nested: MariaDB keeps 32 levels of JSON."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a file before the work on it; its columns as they are written, if there is a header."""

    total: int
    digest: str
    columns: list[str] | None
    unknown_columns: list[str]
    repeats: bool


def lines_of(path: Path, file_format: str) -> Iterator[Line]:
    """The file's rows. Raises Invalid when the file as a whole cannot be read."""
    return _table(path, file_format)[1]


def inspect(path: Path, file_format: str) -> Inspection:
    """Look through the whole file. Raises Invalid for one that cannot be taken, TooLarge."""
    digest = read_through(path)
    header, lines = _table(path, file_format)
    unknown = header.unknown if header else set()
    seen: set[int] = set()
    total = named = 0
    for total, line in enumerate(lines, 1):  # noqa: B007 the last number is the total
        if total > MOST_ROWS:
            raise TooLarge(f"a file may have {MOST_ROWS} rows; split it", code="too_many_rows")
        if line.fault is None:
            sku = line.values.get("sku")
            if isinstance(sku, str):
                seen.add(hash(sku.strip()))
                named += 1
            if header is None and len(unknown) < MOST_NAMED:
                unknown |= line.raw.keys() - KNOWN
    if total == 0:
        raise Invalid("there are no rows in this file", code="empty_file")
    columns = header.written if header else None
    return Inspection(total, digest, columns, _named(unknown), repeats=len(seen) < named)


def _named(unknown: Iterable[str]) -> list[str]:
    return sorted({name[:LONGEST_NAMED] for name in unknown if name})[:MOST_NAMED]


def _table(path: Path, file_format: str) -> tuple[Header | None, Iterator[Line]]:
    if file_format == CSV:
        return csv_table(path)
    return sheet_table(path) if file_format == SHEET else (None, _ndjson_lines(path))


def _ndjson_lines(path: Path) -> Iterator[Line]:
    with open_text(path) as file:
        for number, text in enumerate(lines_in(file), 1):
            if text.strip():
                yield _ndjson_line(number, text)


def _ndjson_line(number: int, text: str) -> Line:
    if len(text) == LONGEST_ROW:
        return Line(number, {}, text[:SHOWN], f"the line has {LONGEST_ROW} signs or more")
    try:
        raw = orjson.loads(text)
    except ValueError:
        return Line(number, {}, text.strip()[:SHOWN], "the line is not valid JSON")
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(raw):
        return Line(number, {}, text.strip()[:SHOWN], f"the line is nested deeper than {DEEPEST} levels")
    if not isinstance(raw, dict):
        return Line(number, {}, raw, "the line is not a JSON object")
    return Line(number, {name: value for name, value in raw.items() if name in COLUMNS}, raw)


def _is_deep(value: Any, left: int = DEEPEST) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left == 0 or any(_is_deep(part, left - 1) for part in parts)
