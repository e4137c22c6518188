"""Statistics: how many orders there were and what they brought, in UTC and to the cent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from common.clock import now
from common.testing.signing import SignedUser
from orders import summing
from orders.models import Order, Placement

from .conftest import Shelves

STATS = "/api/orders/stats/"
DAY = datetime(2025, 2, 27, tzinfo=UTC)
"""A day on which no other test places anything."""


def stats(client: TestClient, admin: SignedUser, **params: Any) -> Any:
    answer = client.get(STATS, params=params, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def an_order(
    client: TestClient, engine: Engine, user: SignedUser, created: datetime, total: str, status: str = "pending"
) -> UUID:
    body = {"items": [{"product_id": 1, "quantity": 1}]}
    order_id = UUID(client.post("/api/orders/", json=body, headers=user.headers).json()["id"])
    values = {"created_at": created, "total": Decimal(total), "status": status}
    with Session(engine) as session:
        session.execute(update(Order).where(Order.id == order_id).values(values))
        session.commit()
    return order_id


@pytest.fixture
def history(client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser) -> None:
    """Six orders about midnight of three days, one of which was never finished."""
    last_moment = DAY + timedelta(days=1) - timedelta(microseconds=1)
    with Session(engine) as session:
        session.execute(update(Order).values(created_at=now()).where(Order.created_at < DAY + timedelta(days=400)))
        session.commit()
    an_order(client, engine, ada, DAY, "0.10")
    an_order(client, engine, ada, last_moment, "0.20", "shipped")
    an_order(client, engine, ada, last_moment, "1000000000000.01", "shipped")
    an_order(client, engine, ada, DAY + timedelta(days=1), "5.00", "cancelled")
    an_order(client, engine, ada, DAY + timedelta(days=2), "7.00", "delivered")
    unfinished = an_order(client, engine, ada, DAY, "100.00")
    with Session(engine) as session:
        session.execute(update(Order).where(Order.id == unfinished).values(placement=Placement.REJECTED))
        session.commit()


def test_they_are_for_administrators(client: TestClient, ada: SignedUser) -> None:
    assert client.get(STATS).status_code == 401
    assert client.get(STATS + "?created_from=nonsense", headers=ada.headers).status_code == 403


def test_orders_are_counted_by_status_and_by_day_of_utc_and_cancelled_ones_bring_nothing(
    client: TestClient, history: None, admin: SignedUser
) -> None:
    shown = stats(client, admin, created_from="2025-02-27T00:00:00Z", created_to="2025-03-01T23:59:59Z")
    assert shown == {
        "from_at": "2025-02-27T00:00:00.000Z",
        "to_at": "2025-03-01T23:59:59.000Z",
        "currency": "EUR",
        "count": 5,
        "revenue": "1000000000007.31",
        "by_status": [
            {"status": "pending", "count": 1, "revenue": "0.10"},
            {"status": "processing", "count": 0, "revenue": "0.00"},
            {"status": "shipped", "count": 2, "revenue": "1000000000000.21"},
            {"status": "delivered", "count": 1, "revenue": "7.00"},
            {"status": "cancelled", "count": 1, "revenue": "0.00"},
        ],
        "by_day": [
            {"day": "2025-02-27", "count": 3, "revenue": "1000000000000.31"},
            {"day": "2025-02-28", "count": 1, "revenue": "0.00"},
            {"day": "2025-03-01", "count": 1, "revenue": "7.00"},
        ],
    }


def test_a_range_is_kept_to_the_moment_whatever_zone_it_is_said_in(
    client: TestClient, history: None, admin: SignedUser
) -> None:
    shown = stats(client, admin, created_from="2025-02-28T02:00:00+02:00", created_to="2025-02-28T19:00:00-05:00")
    assert (shown["from_at"], shown["to_at"]) == ("2025-02-28T00:00:00.000Z", "2025-03-01T00:00:00.000Z")
    assert [(day["day"], day["count"]) for day in shown["by_day"]] == [("2025-02-28", 1), ("2025-03-01", 1)]


def test_slices_meet_without_a_gap_or_an_overlap(
    client: TestClient, history: None, admin: SignedUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"created_from": "2025-02-27T00:00:00Z", "created_to": "2025-03-01T00:00:00Z"}
    whole = stats(client, admin, **asked)
    assert whole["count"] == 5
    for hours in (7, 12, 24, 48):
        monkeypatch.setattr(summing, "SLICE", timedelta(hours=hours))
        assert stats(client, admin, **asked) == whole


def test_without_a_range_they_are_of_today_and_the_29_days_before(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser, admin: SignedUser
) -> None:
    def of(days_ago: int) -> Any:
        shown = stats(client, admin)
        assert len(shown["by_day"]) == 30
        return shown["by_day"][-1 - days_ago]["count"]

    today, oldest = of(0), of(29)
    an_order(client, engine, ada, now(), "1.00")
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    an_order(client, engine, ada, midnight - timedelta(days=29), "1.00")
    an_order(client, engine, ada, midnight - timedelta(days=29, microseconds=1), "1.00")
    assert (of(0), of(29)) == (today + 1, oldest + 1)


def test_an_order_that_moves_counts_where_it_stands(
    client: TestClient, shelves: Shelves, engine: Engine, ada: SignedUser, admin: SignedUser
) -> None:
    long_ago = datetime(2024, 2, 29, 12, tzinfo=UTC)
    order_id = an_order(client, engine, ada, long_ago, "3.00")
    for status in ("processing", "cancelled"):
        client.put(f"/api/orders/{order_id}/", json={"status": status}, headers=admin.headers)
        shown = stats(client, admin, created_from="2024-02-29T00:00:00Z", created_to="2024-02-29T23:00:00Z")
        assert {row["status"] for row in shown["by_status"] if row["count"]} == {status}
    assert (shown["count"], shown["revenue"]) == (1, "0.00")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"created_from": "2025-01-01T00:00:00Z", "created_to": "2026-01-02T00:00:01Z"}, "range_too_long"),
        ({"created_from": "2025-01-02T00:00:00Z", "created_to": "2025-01-01T00:00:00Z"}, "invalid_range"),
        ({"created_from": "yesterday"}, "invalid"),
        ({"created_to": "1764030000"}, "invalid"),
        ({"since": "2025-01-01T00:00:00Z"}, "unknown_parameter"),
    ],
)
def test_a_range_that_cannot_be_summed_is_a_400(
    client: TestClient, admin: SignedUser, params: dict[str, str], code: str
) -> None:
    answer = client.get(STATS, params=params, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_whole_year_can_be_asked_for_and_the_future_is_empty(client: TestClient, admin: SignedUser) -> None:
    year = stats(client, admin, created_from="2024-01-01T00:00:00Z", created_to="2025-01-01T00:00:00Z")
    assert len(year["by_day"]) == 367
    assert stats(client, admin, created_from="2999-01-01T00:00:00Z")["count"] == 0
    assert len(stats(client, admin, created_to="0001-01-01T00:00:00+14:00")["by_day"]) == 30


def test_there_is_nothing_to_change_about_them(client: TestClient, admin: SignedUser) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        answer = client.request(method, STATS, headers=admin.headers, json={"status": "shipped"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
