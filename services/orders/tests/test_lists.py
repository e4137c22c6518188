"""Lists of orders: whose, which, and how one walks through them."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from common.pagination import encode_cursor
from common.testing.signing import SignedUser
from orders import counting
from orders.counting import Counts
from orders.models import Order
from orders.schemas import OrdersQuery

from .conftest import Shelves

ONE = {"items": [{"product_id": 1, "quantity": 1}]}
LIST = "/api/orders/"
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def place(client: TestClient, user: SignedUser, number: int) -> list[str]:
    return [str(client.post(LIST, json=ONE, headers=user.headers).json()["id"]) for _ in range(number)]


def listed(client: TestClient, caller: SignedUser, **params: Any) -> list[str]:
    answer = client.get(LIST, params=params, headers=caller.headers)
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()["results"]]


@pytest.fixture
def dated(client: TestClient, shelves: Shelves, ada: SignedUser, engine: Engine) -> list[str]:
    """Five orders of Ada's, one a day from DAY on, the oldest first."""
    ids = place(client, ada, 5)
    with Session(engine) as session:
        for n, order_id in enumerate(ids):
            values = {"created_at": DAY + n * timedelta(days=1)}
            session.execute(update(Order).where(Order.id == UUID(order_id)).values(values))
        session.commit()
    return ids


def test_a_stranger_has_no_list(client: TestClient) -> None:
    assert client.get(LIST).status_code == 401


def test_users_see_their_own_and_admins_see_all(
    client: TestClient, shelves: Shelves, ada: SignedUser, bob: SignedUser, admin: SignedUser
) -> None:
    adas, bobs = place(client, ada, 2), place(client, bob, 1)
    assert listed(client, ada) == adas[::-1]
    assert listed(client, bob) == bobs
    assert listed(client, admin, page_size=3) == [*bobs, *adas[::-1]]
    assert listed(client, admin, user=str(ada.id)) == adas[::-1]
    assert listed(client, admin, user=str(admin.id)) == []
    refused = client.get(LIST, params={"user": str(ada.id)}, headers=bob.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_pages_by_number_have_a_count_and_links_that_keep_the_filters(
    client: TestClient, shelves: Shelves, ada: SignedUser
) -> None:
    ids = place(client, ada, 5)
    page = client.get(f"{LIST}?status=pending&page_size=2&page=2", headers=ada.headers).json()
    assert (page["count"], [order["id"] for order in page["results"]]) == (5, [ids[2], ids[1]])
    assert ("page=3" in page["next"], "page=1" in page["previous"]) == (True, True)
    assert "status=pending" in page["next"]
    assert page["next"].startswith("http://127.0.0.1:8080/api/orders/?")
    past = client.get(f"{LIST}?page=9", headers=ada.headers)
    assert (past.status_code, past.json()["code"]) == (404, "no_such_page")


def test_a_cursor_walks_through_the_list_whatever_comes_in_meanwhile(
    client: TestClient, shelves: Shelves, ada: SignedUser
) -> None:
    ids = place(client, ada, 5)
    walked, link = [], f"{LIST}?status=pending&cursor=&limit=2"
    while link:
        page = client.get(link.split(":8080")[-1], headers=ada.headers).json()
        walked += [order["id"] for order in page["results"]]
        assert page.get("count") is None
        place(client, ada, 1)
        link = page["next"]
    assert walked == ids[::-1]


def test_time_goes_before_the_id_and_orders_of_one_moment_are_each_met_once(
    client: TestClient, shelves: Shelves, ada: SignedUser, engine: Engine
) -> None:
    ids = place(client, ada, 6)
    days = dict(zip(ids, (0, 2, 2, 2, 1, 1), strict=True))
    with Session(engine) as session:
        for order_id, day in days.items():
            values = {"created_at": DAY + timedelta(days=day)}
            session.execute(update(Order).where(Order.id == UUID(order_id)).values(values))
        session.commit()
    walked, link = [], f"{LIST}?cursor=&limit=2"
    while link:
        page = client.get(link.split(":8080")[-1], headers=ada.headers).json()
        walked += [order["id"] for order in page["results"]]
        link = page["next"]
    assert walked == sorted(ids, key=lambda order_id: (days[order_id], order_id), reverse=True)


@pytest.fixture
def shop(client: TestClient, dated: list[str], ada: SignedUser, admin: SignedUser) -> list[dict[str, Any]]:
    """Ada's orders as they are shown, in several statuses, newest first."""
    for order_id, status in zip(dated, ("cancelled", "processing", "pending", "processing", "pending"), strict=True):
        client.put(f"{LIST}{order_id}/", json={"status": status}, headers=admin.headers)
    return [client.get(f"{LIST}{order_id}/", headers=ada.headers).json() for order_id in reversed(dated)]


FILTERS: dict[str, list[str | None]] = {
    "status": [None, "pending", "processing", "shipped"],
    "created_from": [None, "2026-03-02T00:00:00Z"],
    "created_to": [None, "2026-03-04T00:00:00Z"],
    "number": [None, "own", "X"],
    "user": [None, "own", "other"],
}


def test_filters_narrow_together(
    client: TestClient, shop: list[dict[str, Any]], ada: SignedUser, bob: SignedUser, admin: SignedUser
) -> None:
    """Every combination against the same said in Python; both ends of a range belong to it."""
    own = {"number": shop[1]["number"], "user": str(ada.id)}
    for values in product(*FILTERS.values()):
        given = {name: value for name, value in zip(FILTERS, values, strict=True) if value is not None}
        params = {n: {"own": own.get(n, ""), "other": str(bob.id)}.get(value, value) for n, value in given.items()}
        wanted = [order["id"] for order in shop if _passes(order, params)]
        if "user" in params or "number" in params:
            assert listed(client, admin, **params) == wanted, params
            assert listed(client, admin, cursor="", limit=10, **params) == wanted, params
        if "user" not in params:
            assert listed(client, ada, **params) == wanted, params


def _passes(order: dict[str, Any], params: dict[str, str]) -> bool:
    return (
        all(order[name] == params.get(name, order[name]) for name in ("status", "number", "user"))
        and order["created_at"][:19] >= params.get("created_from", "")[:19]
        and order["created_at"][:19] <= params.get("created_to", "9")[:19]
    )


@pytest.mark.parametrize(
    "wrong",
    [
        "page=0",
        "page_size=101",
        "limit=0",
        "limit=101",
        "status=lost",
        "status=",
        "user=7",
        "created_from=yesterday",
        "created_from=1764030000",
        "created_from=",
    ],
)
def test_a_bad_value_is_a_400_that_names_it(client: TestClient, ada: SignedUser, wrong: str) -> None:
    answer = client.get(f"{LIST}?{wrong}", headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert wrong.split("=")[0] in answer.json()["errors"]


def test_an_order_lies_in_the_range_from_and_to_the_time_that_is_shown_of_it(
    client: TestClient, shelves: Shelves, ada: SignedUser
) -> None:
    (order_id,) = place(client, ada, 1)
    shown = client.get(f"{LIST}{order_id}/", headers=ada.headers).json()["created_at"]
    assert listed(client, ada, created_from=shown, created_to=shown) == [order_id]


def test_a_mistyped_filter_does_not_show_everything(client: TestClient, ada: SignedUser) -> None:
    answer = client.get(f"{LIST}?colour=red", headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


def test_a_range_that_ends_before_it_begins_is_refused(client: TestClient, ada: SignedUser) -> None:
    answer = client.get(
        f"{LIST}?created_from=2026-03-02T00:00:00Z&created_to=2026-03-01T00:00:00Z", headers=ada.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_range")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_at_the_edge_of_the_calendar_is_no_accident(client: TestClient, ada: SignedUser, moment: str) -> None:
    for name in ("created_from", "created_to"):
        assert client.get(LIST, params={name: moment}, headers=ada.headers).status_code == 200


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        encode_cursor(["2026-03-01T00:00:00+00:00"]),
        encode_cursor(["01900000-0000-7000-8000-000000000000"]),
        encode_cursor(["2026-03-01T00:00:00+00:00", "7"]),
        encode_cursor(["2026-03-01T00:00:00+00:00", 7]),
        encode_cursor([7, "01900000-0000-7000-8000-000000000000"]),
        encode_cursor(["0001-01-01T00:00:00+14:00", "01900000-0000-7000-8000-000000000000"]),
    ],
)
def test_a_cursor_of_another_make_is_a_400(client: TestClient, ada: SignedUser, cursor: str) -> None:
    answer = client.get(LIST, params={"cursor": cursor}, headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_few_are_counted_each_time_and_many_now_and_then(
    client: TestClient, shelves: Shelves, ada: SignedUser, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, query = Counts(), OrdersQuery.model_validate({"status": "pending"})

    def count(**more: Any) -> int:
        with Session(engine) as session:
            return counts.count(session, query.model_copy(update=more), ada.id)

    monkeypatch.setattr(counting, "MANY", 3)
    for number in range(1, 5):
        place(client, ada, 1)
        assert count(page=number) == number
    place(client, ada, 1)
    assert count(page=7) == 4, "many, and counted a moment ago"
    assert count(status=None) == 5, "another list has a number of its own"
    monkeypatch.setattr(counting, "MANY_S", -1.0)
    assert count() == 5


def test_what_is_remembered_of_counts_has_a_bound(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MANY", -1)
    monkeypatch.setattr(counting, "MOST_COUNTS", 5)
    counts = Counts()
    with Session(engine) as session:
        for n in range(20):
            counts.count(session, OrdersQuery.model_validate({"number": str(n)}), None)
        assert session.scalar(select(Order.id).where(Order.number == "0")) is None
    assert len(counts._known) <= 5
