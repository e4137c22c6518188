"""The files' room: reads an uploaded file row by row, in memory that does not grow with it."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import orjson

from common.errors import Invalid, TooLarge

CSV, NDJSON, JSON = "csv", "ndjson", "json"
MOST_ROWS = 200_000
"""Rows that one upload may have (design: api, section 3)."""

COLUMNS = ("sku", "name", "description", "price", "stock", "status", "category", "image_url", "attributes")
OWNED = frozenset(
    ("id", "currency", "sold_count", "availability", "on_hand", "reserved", "created_at", "updated_at", "version")
)
"""Fields that the server alone sets: in a file they are ignored and counted (design: api, section 3)."""
REPORT_COLUMN = "error"
"""A column of the error report, which may be sent back as it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: the line at which it begins, what it tells, what it held, or why it cannot be read."""

    number: int
    values: dict[str, Any]
    raw: Any
    fault: str | None = None

    @property
    def ignored(self) -> int:
        """How many of its values only the server may set."""
        return sum(1 for name, value in self.raw.items() if value and name in OWNED) if self.fault is None else 0


def lines_of(path: Path, file_format: str) -> Iterator[Line]:
    """The file's rows. Raises Invalid when the file as a whole cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (_csv_lines(file) if file_format == CSV else _ndjson_lines(file))
    except UnicodeDecodeError as error:
        raise not_utf8() from error


def not_utf8() -> Invalid:
    """The refusal of a file in another encoding."""
    return Invalid("the file is not UTF-8 text; save it as UTF-8 and send it again", code="not_utf8")


def inspect(path: Path, file_format: str) -> tuple[int, str]:
    """Number of rows, and the file's SHA-256. Raises Invalid for a file that cannot be taken, TooLarge."""
    total = 0
    for total, _ in enumerate(lines_of(path, file_format), 1):  # noqa: B007 the last number is the total
        if total > MOST_ROWS:
            raise TooLarge(f"a file may have {MOST_ROWS} rows; split it", code="too_many_rows")
    if total == 0:
        raise Invalid("there are no rows in this file", code="empty_file")
    with path.open("rb") as file:
        return total, hashlib.file_digest(file, "sha256").hexdigest()


def _csv_lines(file: TextIO) -> Iterator[Line]:
    reader = csv.reader(file)
    names: list[str] | None = None
    while True:
        number = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number, {}, [], f"line {number} cannot be read: {error}")
            continue
        if not any(cells):
            continue
        if names is None:
            names = _header(cells)
        else:
            yield _csv_line(number, names, cells)


def _header(cells: Sequence[str]) -> list[str]:
    """The columns' names in small letters. Raises Invalid."""
    names = [cell.lower() for cell in cells]
    unknown = sorted(set(names) - set(COLUMNS) - OWNED - {REPORT_COLUMN})
    if unknown:
        known = ", ".join(sorted(COLUMNS))
        raise Invalid(
            f"unknown columns: {', '.join(unknown)}; known are {known}", code="unknown_columns", columns=unknown
        )
    if len(set(names)) < len(names):
        raise Invalid("a column is there twice", code="duplicate_columns")
    if "sku" not in names:
        raise Invalid("the column sku is missing: it tells which product a row is about", code="missing_columns")
    return names


def _csv_line(number: int, names: Sequence[str], cells: Sequence[str]) -> Line:
    if len(cells) < len(names) or any(cells[len(names) :]):
        return Line(number, {}, list(cells), f"the row has {len(cells)} cells, the header {len(names)}")
    raw = dict(zip(names, cells, strict=False))
    return Line(number, {name: cell for name, cell in raw.items() if cell and name in COLUMNS}, raw)


def _ndjson_lines(file: TextIO) -> Iterator[Line]:
    for number, text in enumerate(file, 1):
        if text.strip():
            yield _ndjson_line(number, text)


def _ndjson_line(number: int, text: str) -> Line:
    try:
        raw = orjson.loads(text)
    except ValueError:
        return Line(number, {}, text.strip()[:1000], "the line is not valid JSON")
    if not isinstance(raw, dict):
        return Line(number, {}, raw, "the line is not a JSON object")
    dropped = OWNED | {REPORT_COLUMN}
    return Line(number, {name: value for name, value in raw.items() if name not in dropped}, raw)
