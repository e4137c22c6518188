"""Many rows in one statement: every type arrives as it was sent, and what does not fit is refused."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    create_engine,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.bulk import insert_rows, update_rows
from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid
from common.ids import new_id

things = Table(
    "things",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("code", Uuid, nullable=True),
    Column("name", String(8, collation=EXACT), nullable=True),
    Column("text", Text, nullable=True),
    Column("price", Numeric(10, 2), nullable=True),
    Column("number", Integer, nullable=True),
    Column("more", JSON, nullable=True),
    Column("at", UtcDateTime, nullable=True),
    **TABLE_OPTIONS,
)
NAMES = ("id", "code", "name", "text", "price", "number", "more")
ODD = ["", "'; DROP TABLE things; --", '\\"\\', "%s %(x)s :id", "líné\n\r\t\x00\x1f", "🏺" * 8, "null", "\ud7ff￿"]


@pytest.fixture(scope="module")
def engine(empty_schema: Callable[[str], str]) -> Iterator[Engine]:
    engine = create_engine(empty_schema("bulk"))
    things.create(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session that is rolled back."""
    with Session(engine) as session:
        yield session


def _all(session: Session) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.execute(select(things).order_by(things.c.id))]


def test_every_type_arrives_as_it_was_sent(session: Session) -> None:
    moment, codes = now(), [new_id() for _ in ODD]
    rows = [(n, codes[n], None, each, Decimal("12.50"), n * 2**20, '{"a": [1, "é"]}') for n, each in enumerate(ODD, 0)]

    insert_rows(session, things, NAMES, [(n + 1, *row[1:]) for n, row in enumerate(rows)], at=moment)

    expected = [
        (n + 1, codes[n], None, each, Decimal("12.50"), n * 2**20, {"a": [1, "é"]}, moment)
        for n, each in enumerate(ODD)
    ]
    assert _all(session) == expected


def test_null_stays_null(session: Session) -> None:
    insert_rows(session, things, NAMES, [(1, *[None] * 6)])

    assert _all(session) == [(1, *[None] * 7)]


def test_no_rows_are_no_statement(session: Session) -> None:
    insert_rows(session, things, NAMES, [])
    update_rows(session, things, ("id", "name"), [])

    assert _all(session) == []


@pytest.mark.parametrize(
    "row",
    [
        (1, None, "too long for it", None, None, None, None),
        (1, None, None, None, "1e", None, None),
        (1, None, None, None, None, "12x", None),
    ],
    ids=["text", "amount", "number"],
)
def test_a_value_that_does_not_fit_is_refused_and_not_cut(session: Session, row: Any) -> None:
    with pytest.raises(DBAPIError):
        insert_rows(session, things, NAMES, [row])


def test_rows_are_updated_by_their_keys_and_others_stay(session: Session) -> None:
    moment = now()
    session.execute(insert(things), [{"id": n, "name": "old", "number": n} for n in (1, 2, 3)])

    update_rows(
        session, things, ("id", "name", "price"), [(3, "c", Decimal(3)), (1, "a", None), (9, "x", None)], at=moment
    )

    found = [(row.id, row.name, row.price, row.number, row.at) for row in session.execute(select(things))]
    assert found == [(1, "a", None, 1, moment), (2, "old", None, 2, None), (3, "c", Decimal("3.00"), 3, moment)]


def test_a_column_of_a_type_that_json_has_not_is_refused(session: Session) -> None:
    with pytest.raises(TypeError):
        insert_rows(session, things, ("id", "at"), [(1, now())])
