"""The tables' room: rows of cells under a header, from CSV and from a workbook's sheet."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import orjson

from catalog.cells import unescape
from catalog.lines import COLUMNS, KNOWN, LONGEST_ROW, REPORT_COLUMN, SHOWN, Line
from catalog.texts import lines_in, open_text
from common.errors import Invalid

DELIMITERS = ",;\t"
"""What may stand between cells: Excel writes semicolons where the comma is the decimal sign."""
MOST_COLUMNS = 256
LONGEST_CELL = 64 * 1024


class Record(NamedTuple):
    """A row of cells with the line at which it begins; or why it cannot be read, its only cell what the line held."""

    number: int
    cells: list[str]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """The columns as they are written and in small letters, and where those are that tell something."""

    written: list[str]
    names: list[str]
    telling: list[tuple[int, str]]
    ragged: bool

    @classmethod
    def of(cls, written: list[str], *, ragged: bool) -> "Header":
        """The header of these columns."""
        names = [cell.lower() for cell in written]
        return cls(written, names, [(at, name) for at, name in enumerate(names) if name in COLUMNS], ragged)

    @property
    def unknown(self) -> set[str]:
        """The columns that mean nothing here, as they are written."""
        return {cell for cell, name in zip(self.written, self.names, strict=True) if name and name not in KNOWN}

    def line(self, record: Record) -> Line:
        """The record's cells under their columns' names."""
        number, cells, fault = record
        if fault is not None:
            return Line(number, {}, cells, fault)
        width = len(self.names)
        if self.ragged:
            cells += [""] * (width - len(cells))
        if len(cells) < width or any(cells[width:]):
            return Line(number, {}, _shown(cells), f"the row has {len(cells)} cells, the header {width}")
        fault = self._fault(cells)
        if fault is not None:
            cells = _shown(cells)
        raw = {name: cell for name, cell in zip(self.names, cells, strict=False) if name}
        return Line(number, {name: cells[at] for at, name in self.telling if cells[at]}, raw, fault)

    def _fault(self, cells: Sequence[str]) -> str | None:
        if max(map(len, cells)) > LONGEST_CELL:
            return f"a cell has more than {LONGEST_CELL} signs"
        for at, name in self.telling if self.ragged else ():
            if isinstance(cells[at], Failed):
                return f"{name}: the cell holds the error {cells[at]}"
        return None


class Failed(str):
    """A cell whose formula has come to an error: its text."""

    __slots__ = ()


def csv_table(path: Path) -> tuple[Header | None, Iterator[Line]]:
    """The header of a CSV file, None if nothing is in it, and its rows. Raises Invalid."""
    return _table(_csv_records(path, _delimiter(path)), ragged=False)


def sheet_table(path: Path) -> tuple[Header | None, Iterator[Line]]:
    """The same of a sheet with an array of cells a line; its rows end at their last cell. Raises Invalid."""
    return _table(_sheet_records(path), ragged=True)


def _table(records: Iterator[Record], *, ragged: bool) -> tuple[Header | None, Iterator[Line]]:
    first = _first(records)
    if first is None:
        return None, iter(())
    header = _header(first, ragged=ragged)
    return header, map(header.line, records)


def _first(records: Iterator[Record]) -> Record | None:
    """The record of the header; before it Excel may have written which delimiter there is."""
    first = next(records, None)
    return next(records, None) if first and first.cells[0].lower().startswith("sep=") else first


def _header(record: Record, *, ragged: bool) -> Header:
    """The record as a header. Raises Invalid."""
    if record.fault is not None:
        raise Invalid(f"the header cannot be read: {record.fault}", code="invalid_header")
    written = _without_end(record.cells)
    header = Header.of(written, ragged=ragged)
    names = header.names
    if len(names) - (REPORT_COLUMN in names) > MOST_COLUMNS:
        raise Invalid(f"a file may have {MOST_COLUMNS} columns", code="too_many_columns")
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise Invalid(f"these columns are there twice: {', '.join(twice)}", code="duplicate_columns", columns=twice)
    if "sku" not in names:
        raise Invalid("the column sku is missing: it tells which product a row is about", code="missing_columns")
    return header


def _without_end(cells: Sequence[str]) -> list[str]:
    """The cells up to the last in which something is."""
    width = max((at for at, cell in enumerate(cells, 1) if cell), default=0)
    return [str(cell) for cell in cells[:width]]


def _delimiter(path: Path) -> str:
    """The one that makes a header with a sku in it."""
    for delimiter in DELIMITERS:
        first = _first(_csv_records(path, delimiter))
        if first is not None and "sku" in (cell.lower() for cell in first.cells):
            return delimiter
    return DELIMITERS[0]


def _csv_records(path: Path, delimiter: str) -> Iterator[Record]:
    """The rows that are not empty. One with a quote that is never closed is bad alone: the next line is a row again."""
    with open_text(path) as file:
        feed = _Feed(file)
        reader = csv.reader(feed, delimiter=delimiter, skipinitialspace=True, strict=True)
        while True:
            number = feed.begin()
            try:
                cells = [unescape(cell.strip()) for cell in next(reader)]
            except StopIteration:
                return
            except (csv.Error, _TooLong) as error:
                yield Record(number, [feed.give_back()], f"line {number} cannot be read: {error}")
                continue
            if any(cells):
                yield Record(number, cells)


def _sheet_records(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            cells = [_cell(cell) for cell in orjson.loads(text)]
            if any(cells):
                yield Record(number, cells)


def _cell(cell: Any) -> str:
    return unescape(cell.strip()) if isinstance(cell, str) else Failed(cell["error"])


def _shown(cells: Sequence[str]) -> list[str]:
    return [cell[:SHOWN] for cell in cells]


class _TooLong(Exception):
    """A row that is longer than any good one."""


class _Feed:
    """A file's lines for a CSV reader, one by one; what a broken row has swallowed is given back."""

    def __init__(self, file: TextIO) -> None:
        self._lines = lines_in(file)
        self._back: deque[str] = deque()
        self._row: list[str] = []
        self._signs = 0
        self._line = 0

    def begin(self) -> int:
        """A new row begins; at which line."""
        self._row.clear()
        self._signs = 0
        return self._line + 1

    def give_back(self) -> str:
        """All lines of the row but its first; the first, as far as it is shown."""
        first, *rest = self._row
        self._back.extendleft(reversed(rest))
        self._line -= len(rest)
        return first[:SHOWN].rstrip("\r\n")

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self._row.append(line)
        self._line += 1
        self._signs += len(line)
        if self._signs >= LONGEST_ROW:
            raise _TooLong(f"a row may have {LONGEST_ROW} signs")
        return line
