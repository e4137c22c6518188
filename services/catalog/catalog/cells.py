"""The cells' room: text that a spreadsheet program would take for a formula, made harmless in a file and read back."""

import re

ESCAPED = re.compile(r"'*[=+\-@\t\r]")
UNESCAPED = re.compile(r"'+[=+\-@\t\r]")


def escape(cell: str) -> str:
    """The cell with one apostrophe in front if it could be taken for a formula, or for such a cell already escaped."""
    return f"'{cell}" if ESCAPED.match(cell) else cell


def unescape(cell: str) -> str:
    """What was there before `escape`."""
    return cell[1:] if cell[:1] == "'" and UNESCAPED.match(cell) else cell
