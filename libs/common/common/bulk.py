"""The room for many rows: they travel as one JSON document, which the server takes apart.

The driver's own way writes each value into the statement's text, at four times the processor's time. JSON_TABLE is the
same on MariaDB (from 10.6) and MySQL (from 8.0).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import JSON, Numeric, String, Table, TextClause, bindparam, text
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer, TypeEngine

from common.database import Uuid

Constants = Mapping[str, Any]

LONGEST_NUMBER = 70
"""Signs of a UUID, or of the longest DECIMAL with its sign and point."""


def insert_rows(
    session: Session, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]], **same: Any
) -> None:
    """Insert rows of these columns' values; `same` are columns that have one value in all of them.

    Values are text, numbers, Decimals, UUIDs and None; what goes into a JSON column is JSON already. Raises what the
    server raises, also for a value that does not fit.
    """
    document = [list(row) for row in rows]
    if document:
        session.execute(_insert(table, tuple(names), tuple(same)), _parameters(document, same))


def update_rows(
    session: Session, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]], **same: Any
) -> None:
    """Set these columns in the rows whose key is each row's first value; the rest as for `insert_rows`."""
    document = [list(row) for row in rows]
    if document:
        session.execute(_update(table, tuple(names), tuple(same)), _parameters(document, same))


def _parameters(document: list[list[Any]], same: Constants) -> dict[str, Any]:
    """The document in hexadecimal: the driver passes that on as it is, but would look at each sign of the JSON."""
    return {"document": orjson.dumps(document, default=str).hex(), **same}


@lru_cache
def _insert(table: Table, names: tuple[str, ...], same: tuple[str, ...]) -> TextClause:
    columns = ", ".join((*names, *same))
    values = ", ".join((*(_value(table, name) for name in names), *(f":{name}" for name in same)))
    statement = f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {_rows(table, names)}"  # noqa: S608 - names
    return _bound(table, same, statement)


@lru_cache
def _update(table: Table, names: tuple[str, ...], same: tuple[str, ...]) -> TextClause:
    key, *rest = names
    told = [f"{table.name}.{name} = {_value(table, name)}" for name in rest]
    told += [f"{table.name}.{name} = :{name}" for name in same]
    joined = f"{table.name} JOIN {_rows(table, names)} ON {table.name}.{key} = {_value(table, key)}"
    return _bound(table, same, f"UPDATE {joined} SET {', '.join(told)}")  # noqa: S608 - names of our own tables


def _bound(table: Table, same: tuple[str, ...], statement: str) -> TextClause:
    return text(statement).bindparams(*(bindparam(name, type_=table.c[name].type) for name in same))


def _rows(table: Table, names: Sequence[str]) -> str:
    """The document as a table."""
    columns = ", ".join(f"{name} {_type(table.c[name].type)} PATH '$[{place}]'" for place, name in enumerate(names))
    return f"JSON_TABLE(CONVERT(UNHEX(:document) USING utf8mb4), '$[*]' COLUMNS ({columns})) AS told"


def _value(table: Table, name: str) -> str:
    return f"UNHEX(REPLACE(told.{name}, '-', ''))" if isinstance(table.c[name].type, Uuid) else f"told.{name}"


def _type(kind: TypeEngine[Any]) -> str:
    """Whatever fits into no column is cut or lost here in silence, so that is left to the INSERT, which refuses."""
    if isinstance(kind, JSON | String):
        return "LONGTEXT"
    if isinstance(kind, Uuid | Integer | Numeric):
        return f"VARCHAR({LONGEST_NUMBER})"
    raise TypeError(f"a column of type {kind!r} cannot be sent as JSON")
