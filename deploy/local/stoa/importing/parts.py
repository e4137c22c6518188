"""The parts' room: cuts a file between its rows into parts that the shop takes, and keeps none of it in memory."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from stoa.preflight import NotNow

MOST_ROWS = 200_000
MOST_BYTES = 50 * 1024 * 1024
"""What one upload may have (design: api, section 3)."""
PIECE = 256 * 1024
MARK = b"\xef\xbb\xbf"
"""What some programs begin UTF-8 with."""
DELIMITERS = ",;\t"


class Kind(StrEnum):
    """A kind of file by the media type it is sent as."""

    CSV = "text/csv"
    NDJSON = "application/x-ndjson"
    JSON = "application/json"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


KINDS = {
    ".csv": Kind.CSV,
    ".tsv": Kind.CSV,
    ".ndjson": Kind.NDJSON,
    ".jsonl": Kind.NDJSON,
    ".json": Kind.JSON,
    ".xlsx": Kind.XLSX,
}


@dataclass(frozen=True)
class Part:
    """Some of a file: its bytes from `begin` to `end` after the `head`; `rows` is None where they were not counted."""

    path: Path
    begin: int
    end: int
    rows: int | None = None
    head: bytes = b""

    @property
    def size(self) -> int:
        """Bytes that are sent."""
        return len(self.head) + self.end - self.begin

    def pieces(self) -> Iterator[bytes]:
        """What is sent, a piece at a time."""
        yield self.head
        with self.path.open("rb") as file:
            file.seek(self.begin)
            left = self.end - self.begin
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece


def kind_of(path: Path) -> Kind:
    """The kind of the file by the ending of its name. Raises NotNow."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise NotNow(f"{path.name} ends in none of {' '.join(KINDS)}, so it cannot be told what it is.")
    return kind


def cut(path: Path, kind: Kind) -> list[Part]:
    """The file whole or, if it is CSV or NDJSON and too large for that, in parts with the header on each."""
    size = path.stat().st_size
    if kind not in (Kind.CSV, Kind.NDJSON):
        return [Part(path, 0, size)]
    with path.open("rb") as file:
        header, delimiter = _header(path) if kind is Kind.CSV else (0, "")
        rows = _csv_rows(file, delimiter, header) if kind is Kind.CSV else _lines(file)
        found = list(_groups(rows, header, MOST_BYTES - header))
        file.seek(0)
        head = file.read(header)
    if len(found) <= 1:
        return [Part(path, 0, size, found[0].rows if found else 0)]
    return [replace(group, path=path, head=head) for group in found]


def _groups(rows: Iterator[tuple[int, bool]], begin: int, room: int) -> Iterator[Part]:
    """As many rows together as one upload may have."""
    start = last = begin
    number = 0
    for end, counts in rows:
        if number and (number + counts > MOST_ROWS or end - start > room):
            yield Part(Path(), start, last, number)
            start, number = last, 0
        last, number = end, number + counts
    if number:
        yield Part(Path(), start, last, number)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bool]]:
    """Where each line ends, and whether there is something in it."""
    end = 0
    for line in file:
        end += len(line)
        yield end, bool(line.strip())


def _csv_rows(file: BinaryIO, delimiter: str, header: int) -> Iterator[tuple[int, bool]]:
    """Where each row after the header ends, and whether there is something in it."""
    for end, cells in _records(file, delimiter):
        if end > header:
            yield end, any(cell.strip() for cell in cells)


def _records(file: BinaryIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Where each row ends, and its cells with a sign for each byte, which is enough to find ends and names."""
    end = len(MARK) if file.read(len(MARK)) == MARK else 0
    file.seek(end)

    def lines() -> Iterator[str]:
        nonlocal end
        for line in file:
            end += len(line)
            yield line.decode("latin-1")

    reader = csv.reader(lines(), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:  # the shop will say what is wrong with it
            cells = ["?"]
        yield end, cells


def _header(path: Path) -> tuple[int, str]:
    """Where the header ends, and the delimiter that makes one with `sku` or `id` in it, as the shop looks for it."""
    found = [(_first_row(path, delimiter), delimiter) for delimiter in DELIMITERS]
    fitting = [(end, delimiter) for (end, names), delimiter in found if names & {"sku", "id"}]
    return fitting[0] if fitting else (found[0][0][0], DELIMITERS[0])


def _first_row(path: Path, delimiter: str) -> tuple[int, set[str]]:
    """Where the first row with something in it ends, and its cells; before it Excel may have noted its delimiter."""
    with path.open("rb") as file:
        for end, cells in _records(file, delimiter):
            names = {cell.strip().lower() for cell in cells} - {""}
            if names and not cells[0].lower().startswith("sep="):
                return end, names
    return 0, set()
