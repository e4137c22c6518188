"""Mending: the rows that an upload has not taken as a CSV file to be mended and sent again, and one to begin with.

The file has the upload's own columns. Sent back as it is it gives the same bad rows: a row whose cells would be taken,
or would tell something else than the row did, has one more cell behind its error, which makes it bad until it is empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import and_, or_, select

from catalog.cells import csv_text, escape
from catalog.exporting import FIELDS
from catalog.lines import COLUMNS, LONGEST_ROW, REPORT_COLUMN, SHOWN, Line
from catalog.reports import found
from catalog.rows import UNREADABLE, Fault, Row, check
from catalog.tables import LONGEST_CELL, Header, Record
from catalog.upload_models import BadRow
from common.database import Sessions

CHUNK = 100
"""Bad rows that are read at once: each may have held 256 kB."""
MARK = "mend the row, then empty this cell"
EXAMPLE = {
    "sku": "EXAMPLE-1",
    "name": "Oil lamp",
    "description": "A lamp of clay, with two wicks",
    "price": "12.50",
    "stock": "10",
    "status": "draft",
    "category": "lamps",
    "image_url": "https://example.com/oil-lamp.jpg",
    "attributes": '{"colour": "red", "sizes": ["S", "M"]}',
}

Bad = Sequence[Any]

_wanted = select(BadRow.id, BadRow.line, BadRow.code, BadRow.message, BadRow.raw).order_by(BadRow.line, BadRow.id)


def report_bad_rows(sessions: Sessions, import_id: UUID) -> Iterator[bytes]:
    """The import's bad rows in the order of the file, as pieces of a CSV file. Raises NotFound.

    The first chunk is read here and now, so that a database that is away can still be told as such.
    """
    with sessions.begin() as session:
        form = _form(found(session, import_id).columns)
    chunks = _chunks(sessions, import_id)
    first = next(chunks, ())
    return chain([csv_text([map(escape, form.header.written)]) + form.write(first)], map(form.write, chunks))


def make_template() -> bytes:
    """A CSV file with every column and a draft for an example."""
    return csv_text([COLUMNS, [escape(EXAMPLE[name]) for name in COLUMNS]])


def _chunks(sessions: Sessions, import_id: UUID) -> Iterator[Bad]:
    line = last = 0
    while rows := _after(sessions, import_id, line, last):
        yield rows
        line, last = rows[-1].line, rows[-1].id


def _after(sessions: Sessions, import_id: UUID, line: int, last: int) -> Bad:
    beyond = or_(BadRow.line > line, and_(BadRow.line == line, BadRow.id > last))
    with sessions.begin() as session:
        return session.execute(_wanted.where(BadRow.import_id == import_id, beyond).limit(CHUNK)).all()


@dataclass(frozen=True, slots=True)
class Form:
    """How rows lie in the file: under which header, without which cells of the upload, and whether that had cells."""

    header: Header
    left_out: frozenset[int]
    had_cells: bool

    def write(self, rows: Bad) -> bytes:
        """The rows as a piece of the file."""
        return b"".join(map(self._row, rows))

    def _row(self, row: Any) -> bytes:
        own, beyond = self._split(row.raw)
        text = self._record(row, own, beyond)
        if len(text.decode()) < LONGEST_ROW and max(map(len, own)) <= LONGEST_CELL:
            return text
        return self._record(row, [_cut(cell) for cell in own], [_cut(cell) for cell in beyond])

    def _split(self, raw: Any) -> tuple[list[str], list[str]]:
        """The cells under the columns, and what was beyond them."""
        width = len(self.header.names) - 1
        if isinstance(raw, dict):
            cells = [raw.get(name) for name in self.header.names[:width]]
        elif self.had_cells:
            cells = raw if len(raw) == 1 else [cell for at, cell in enumerate(raw) if at not in self.left_out]
        else:
            cells = [raw]
        texts = [*map(_cell, cells), *[""] * (width - len(cells))]
        return texts[:width], texts[width:]

    def _record(self, row: Any, own: Sequence[str], beyond: Sequence[str]) -> bytes:
        error = _cell(row.message)
        if not any(beyond) and not self._stays([*own, error], row):
            beyond = [MARK]
        return csv_text([map(escape, (*own, error, *beyond))])

    def _stays(self, cells: list[str], row: Any) -> bool:
        """Whether the row means the same when these cells are read."""
        if row.code == UNREADABLE:
            return False
        return _alike(check(self._held(row)), check(self.header.line(Record(row.line, cells))))

    def _held(self, row: Any) -> Line:
        """The row as it was read; of cells the empty ones tell nothing."""
        told = {name: value for name, value in row.raw.items() if name in COLUMNS and (value or not self.had_cells)}
        return Line(row.line, told, row.raw)


def _form(columns: list[str] | None) -> Form:
    """The form for an upload with these columns; for one without a header all that can tell something."""
    written = list(FIELDS) if columns is None else columns
    left_out = frozenset(at for at, name in enumerate(written) if name.lower() == REPORT_COLUMN)
    own = [name for at, name in enumerate(written) if at not in left_out]
    return Form(Header.of([*own, REPORT_COLUMN], ragged=False), left_out, columns is not None)


def _alike(one: Row | Fault, other: Row | Fault) -> bool:
    if isinstance(one, Row) and isinstance(other, Row):
        return (one.key, one.values) == (other.key, other.values)
    return isinstance(one, Fault) and isinstance(other, Fault)


def _cell(value: Any) -> str:
    """A value as a cell is read again: without space around it; NUL has no place in a file."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text.replace("\x00", "").strip()


def _cut(cell: str) -> str:
    """The beginning of a cell in one line, so that a row that is still too long is one bad row."""
    return " ".join(cell[:SHOWN].split())
