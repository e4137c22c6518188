"""The sheets' room: a workbook's first sheet as lines of cells, read in a process of its own, under limits.

`python -m catalog.sheets SOURCE TARGET` writes one JSON array of texts per row; a cell whose formula came to an error
is an object. What the file is refused for is written to standard output. No size that a file declares is believed:
the process may have so much memory and time, and ends by itself or is ended when that does not do.
"""

import datetime
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import orjson
from python_calamine import CalamineError, CalamineWorkbook, SheetMetadata, SheetTypeEnum, SheetVisibleEnum

from catalog.marking import NotSound, Refused, failed_cells, part_of_sheet

MOST_BYTES = 300 * 1024 * 1024
"""What a workbook may unpack to, and what may be written."""
MOST_PARTS = 1000
MOST_RATIO = 200
FREE_OF_RATIO = 10 * 1024 * 1024
"""Unpacked bytes to packed ones: real sheets have 5 to 50; small files are let off."""
MEMORY = 1024 * 1024 * 1024
CPU_S = 40
EXACT = 2**53
"""Below it every whole number has its own floating one."""


def main(source: Path, target: Path) -> int:
    """Convert under limits; the exit code."""
    _limit()
    try:
        convert(source, target)
    except Refused as refusal:
        sys.stdout.write(orjson.dumps({"code": refusal.code, "detail": str(refusal)}).decode())
        return Refused.EXIT
    return 0


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def convert(source: Path, target: Path) -> None:
    """Write the first sheet's rows, row n in line n. Raises Refused."""
    try:
        with source.open("rb") as file, ZipFile(source) as archive:
            _check(archive)
            workbook = CalamineWorkbook.from_filelike(file)
            at = _first(workbook.sheets_metadata)
            failed = failed_cells(archive, part_of_sheet(archive, at))
            _write(workbook.get_sheet_by_index(at).iter_rows(), failed, target)
    except (MemoryError, OverflowError):
        raise too_large() from None
    except (BadZipFile, CalamineError, NotSound, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise Refused("invalid_workbook", f"this is not a workbook that can be read: {error}") from error


def too_large() -> Refused:
    """The refusal of a file with too much in it."""
    return Refused("too_large_unpacked", "the workbook is too large when it is unpacked; split it, or send it as CSV")


def _check(archive: ZipFile) -> None:
    """Refuse by the archive's own directory what is too large or no workbook."""
    parts = archive.infolist()
    unpacked, packed = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_BYTES:
        raise too_large()
    if unpacked > max(FREE_OF_RATIO, packed * MOST_RATIO):
        raise too_large()
    if len({part.filename for part in parts}) < len(parts):
        raise NotSound("it has a part twice")


def _first(sheets: Sequence[SheetMetadata]) -> int:
    """The number of the first sheet that is one of cells and is seen."""
    for number, sheet in enumerate(sheets):
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
            return number
    raise Refused("invalid_workbook", "this workbook has no sheet with cells")


def _write(rows: Iterator[list[Any]], failed: dict[tuple[int, int], str], target: Path) -> None:
    written = 0
    flawed = {row for row, _ in failed}
    with target.open("wb") as file:
        for row, values in enumerate(rows):
            cells: list[Any] = [text_of(value) for value in values]
            if row in flawed:
                cells = [{"error": failed[row, at]} if (row, at) in failed else cell for at, cell in enumerate(cells)]
            while cells and not cells[-1]:
                cells.pop()
            written += file.write(orjson.dumps(cells, option=orjson.OPT_APPEND_NEWLINE))
            if written > MOST_BYTES:
                raise too_large()


def text_of(value: Any) -> str:
    """A cell's value as a spreadsheet program shows it; dates as in ISO 8601."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else f"{value:.15g}"
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
