"""Among very many orders every list is found in an index: what is read does not grow with the table."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common.database import Sessions, new_engine, new_sessions
from common.pagination import encode_cursor
from common.testing.explaining import plans, rows_read
from common.tokens import User
from orders import finding
from orders.counting import Counts
from orders.finding import find
from orders.models import Order
from orders.queries import list_orders
from orders.schemas import OrdersQuery, StatsQuery
from orders.summing import sum_up

SERVICE = Path(__file__).parents[1]
MANY = 200_000
SIZE = 20
FEW = 250
"""Rows that may be read for a page; a scan reads a thousand times as many."""
BUYERS = 1000
"""Each has two hundred orders."""
BEGIN = datetime(2025, 11, 1, tzinfo=UTC)
MINUTES = 2
"""Orders come two minutes apart, so that they are spread over 277 days."""

DIGITS = " UNION ALL ".join(f"SELECT {n} AS d" for n in range(10))
NUMBERS = (
    "SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d AS n FROM "  # noqa: S608 - our own
    + ", ".join(f"({DIGITS}) AS {name}" for name in "abcef")
    + ", (SELECT 0 AS d UNION ALL SELECT 1) AS g"
)
MOMENT = f"TIMESTAMPADD(MINUTE, {MINUTES} * 2 * (n DIV 2), '{BEGIN:%Y-%m-%d}')"
"""Two orders share each moment."""
ORDERS = f"""
INSERT INTO orders (id, number, user_id, scope, placement, status, wanted, total, currency, note, tracking, deadline,
                    created_at, updated_at, version)
SELECT UNHEX(CONCAT(LPAD(HEX(n), 12, '0'), '7000', LPAD(HEX(n * 7919 % 200000), 16, '8'))), CONCAT('N-', n),
       UNHEX(LPAD(HEX(n % {BUYERS} + 1), 32, '0')), UNHEX(SHA2(n, 256)),
       CASE WHEN n % 50 = 7 THEN 'rejected' ELSE 'placed' END,
       CASE WHEN n % 1000 = 3 THEN 'processing' WHEN n % 20 = 5 THEN 'cancelled' ELSE 'delivered' END,
       '[]', n % 100 + 0.25, 'USD', '', '', moment, moment, moment, 4
FROM (SELECT n, {MOMENT} AS moment FROM ({NUMBERS}) AS m) AS o
"""  # noqa: S608 - our own
LINES = """
INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, price)
SELECT id, 1, 17, NULL, 'Jug', 1, total FROM orders
"""


@pytest.fixture(scope="module")
def large(new_schema: Callable[[Path], str]) -> Iterator[Sessions]:
    """A schema of its own with many orders."""
    engine = new_engine(new_schema(SERVICE), read_timeout_s=100)
    with engine.begin() as connection:
        for statement in (ORDERS, LINES, "ANALYZE TABLE orders, order_lines"):
            connection.execute(text(statement))
    yield new_sessions(engine)
    engine.dispose()


def buyer(n: int) -> str:
    return str(UUID(int=n % BUYERS + 1))


def after(days: float) -> str:
    return (BEGIN + timedelta(days=days)).isoformat()


LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "of a common status": {"status": "delivered"},
    "of a rare status": {"status": "processing"},
    "of a status that none has": {"status": "shipped"},
    "of a day": {"created_from": after(100), "created_to": after(101)},
    "from a day on": {"created_from": after(200)},
    "until a day": {"created_to": after(50)},
    "until before the first": {"created_to": after(-1)},
    "of a status and a week": {"status": "processing", "created_from": after(100), "created_to": after(107)},
    "of a status until a day": {"status": "cancelled", "created_to": after(30)},
    "of a number": {"number": "N-777"},
    "of a number that there is not": {"number": "N-x"},
    "of a number and all else": {"number": "N-5", "status": "cancelled", "user": buyer(5), "created_to": after(1)},
    "of a buyer": {"user": buyer(5)},
    "of a buyer and a status": {"user": buyer(3), "status": "processing"},
    "of a buyer and a status that none has": {"user": buyer(5), "status": "shipped"},
    "of a buyer until a day": {"user": buyer(5), "created_to": after(200)},
    "of a buyer, a status and a month": {
        "user": buyer(5),
        "status": "cancelled",
        "created_from": after(100),
        "created_to": after(130),
    },
}


def asked(filters: dict[str, Any], **more: Any) -> tuple[OrdersQuery, UUID | None]:
    query = OrdersQuery.model_validate(filters | more)
    return query, query.user


def expected(session: Session, filters: dict[str, Any]) -> list[bytes]:
    """The ids of the whole list, worked out without the indexes that are looked at here."""
    names = {"user": "user_id = :user", "status": "status = :status", "number": "number = :number"}
    names |= {"created_from": "created_at >= :created_from", "created_to": "created_at <= :created_to"}
    values = filters | {name: datetime.fromisoformat(filters[name]) for name in filters if name.startswith("created")}
    values |= {"user": UUID(filters["user"]).bytes} if "user" in filters else {}
    where = " AND ".join(["placement = 'placed'", *(names[name] for name in filters)])
    without = f"IGNORE INDEX ({finding.ALL}, {finding.OWN}, {finding.OF_STATUS})"
    wanted = f"SELECT id FROM orders {without} WHERE {where} ORDER BY created_at DESC, id DESC"  # noqa: S608 - our own
    return list(session.scalars(text(wanted), values))


def ids(found: list[bytes]) -> list[UUID]:
    return [UUID(bytes=each) for each in found]


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS)
def test_a_page_is_found_by_reading_few_rows(large: Sessions, filters: dict[str, Any]) -> None:
    with large.begin() as session:
        query, owner = asked(filters, page_size=SIZE)
        found, read = rows_read(session, lambda: find(session, query, owner))
        everything = expected(session, filters)
    assert found.ids == ids(everything[:SIZE])
    assert (found.last is None) == (len(everything) <= SIZE)
    assert read <= FEW, f"{read} rows were read for {len(found.ids)}"


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS)
def test_a_page_deep_in_a_list_is_found_as_cheaply_by_its_cursor(large: Sessions, filters: dict[str, Any]) -> None:
    with large.begin() as session:
        everything = expected(session, filters)
        middle = len(everything) // 2
        if middle == 0:
            return
        (last,) = ids(everything[middle - 1 : middle])
        moment = session.scalars(select(Order.created_at).where(Order.id == last)).one()
        cursor = encode_cursor([moment.isoformat(), str(last)])
        query, owner = asked(filters, cursor=cursor, limit=SIZE)
        found, read = rows_read(session, lambda: find(session, query, owner))
    assert found.ids == ids(everything[middle : middle + SIZE])
    assert read <= FEW, f"{read} rows were read"


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("way", [{"page": 1}, {"cursor": ""}], ids=["by page", "by cursor"])
def test_no_list_is_planned_as_a_scan_or_a_sort(large: Sessions, filters: dict[str, Any], way: dict[str, Any]) -> None:
    admin = User(id=UUID(int=0), session=UUID(int=0), username="admin", role="admin", amr=("pwd",))
    query = OrdersQuery.model_validate(filters | way)
    found = plans(large.kw["bind"], lambda: list_orders(large, Counts(), admin, query, "http://x/"))
    assert found
    for plan in found:
        assert plan["key"] or "Impossible" in plan["Extra"] or "no matching row" in plan["Extra"], plan
        assert plan["type"] not in ("ALL", "index"), plan
        assert "filesort" not in (plan["Extra"] or "") or int(plan["rows"]) <= FEW, plan


def test_statistics_are_summed_in_an_index(large: Sessions) -> None:
    query = StatsQuery.model_validate({"created_from": after(10), "created_to": after(19.99)})
    found = plans(large.kw["bind"], lambda: sum_up(large, query, "USD"))
    assert found
    for plan in found:
        assert plan["type"] == "range", plan
        assert "Using index" in plan["Extra"], plan
        assert int(plan["rows"]) < MANY / 4, plan
