"""Exporting: the whole catalogue as a file that can be sent back as it is, read a chunk at a time.

Each chunk is a short transaction of its own, so that however many products there are and however slowly the file is
fetched, nothing waits for it; a product is given as it was when its chunk was read.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import select

from catalog.cells import csv_text, escape
from catalog.files import COLUMNS, CSV, NDJSON
from catalog.models import products
from common.database import Sessions

CHUNK = 1000
FIELDS = (*COLUMNS, "id")
"""What an upload takes, and the id, which it ignores."""

_table = products.c
_told = {"stock": (_table.on_hand - _table.reserved).label("stock")}
_wanted = select(*(_told[name] if name in _told else _table[name] for name in FIELDS)).order_by(_table.id)

Rows = Sequence[Any]


def export_products(sessions: Sessions, file_format: str) -> Iterator[bytes]:
    """Products of every status in order of their ids, as pieces of a file.

    The first chunk is read here and now, so that a database that is away can still be told as such.
    """
    head, write = WRITERS[file_format]
    chunks = _chunks(sessions)
    first = list(next(chunks, ()))
    return chain([head + write(first)], map(write, chunks))


def _chunks(sessions: Sessions) -> Iterator[Rows]:
    last = 0
    while rows := _after(sessions, last):
        yield rows
        last = rows[-1].id


def _after(sessions: Sessions, last: int) -> Rows:
    with sessions.begin() as session:
        return session.execute(_wanted.where(_table.id > last).limit(CHUNK)).all()


def _csv(rows: Rows) -> bytes:
    return csv_text([_cells(row) for row in rows])


def _cells(row: Sequence[Any]) -> Sequence[Any]:
    """The cells in the order of `FIELDS`; what can begin with any sign is escaped, and NUL has no place in them."""
    sku, name, description, *figures, attributes, product_id = row
    texts = (escape(sku or ""), escape(name), escape(description.replace("\x00", "")))
    return (*texts, *figures, orjson.dumps(attributes).decode() if attributes else None, product_id)


def _ndjson(rows: Rows) -> bytes:
    return b"".join(_ndjson_line(row._mapping) for row in rows)


def _ndjson_line(row: Any) -> bytes:
    """The row as an object; what is null is left out, for in an upload null lets things be as they are."""
    told = {name: value for name, value in row.items() if value is not None}
    told["price"] = str(row["price"])
    told["attributes"] = row["attributes"] or {}
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


WRITERS: dict[str, tuple[bytes, Callable[[Rows], bytes]]] = {
    CSV: (csv_text([FIELDS]), _csv),
    NDJSON: (b"", _ndjson),
}
"""How each format begins and how rows are written in it."""
