"""The cells' room: how cells are written, so that a spreadsheet program takes none for a formula, and read back."""

import csv
import re
from collections.abc import Iterable
from io import StringIO
from typing import Any

ESCAPED = re.compile(r"'*[=+\-@\t\r]")
UNESCAPED = re.compile(r"'+[=+\-@\t\r]")


def csv_text(rows: Iterable[Iterable[Any]]) -> bytes:
    """The rows as a piece of a CSV file."""
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def escape(cell: str) -> str:
    """The cell with one apostrophe in front if it could be taken for a formula, or for such a cell already escaped."""
    return f"'{cell}" if ESCAPED.match(cell) else cell


def unescape(cell: str) -> str:
    """What was there before `escape`."""
    return cell[1:] if cell[:1] == "'" and UNESCAPED.match(cell) else cell
