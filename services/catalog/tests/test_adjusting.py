"""Adjusting stock: who may, what is refused, what it leaves in the ledger, and the race with holds."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from catalog.models import ADJUSTED, StockMovement
from catalog.schemas import MOST_STOCK
from catalog.versions import read_version
from common.ids import new_id
from common.testing.signing import SignedUser

GOOD = {"delta": 1, "reason": "received"}
BAD = {
    "nothing": {},
    "no delta": {"reason": "received"},
    "no reason": {"delta": 1},
    "no pieces": GOOD | {"delta": 0},
    "half a piece": GOOD | {"delta": 1.5},
    "pieces as text": GOOD | {"delta": "1"},
    "a boolean": GOOD | {"delta": True},
    "too many": GOOD | {"delta": MOST_STOCK + 1},
    "far too few": GOOD | {"delta": -(10**30)},
    "an unknown reason": GOOD | {"reason": "stolen"},
    "a reason of the house": GOOD | {"reason": "sold"},
    "a list of reasons": GOOD | {"reason": ["received"]},
    "a long note": GOOD | {"note": "x" * 256},
    "a line break in the note": GOOD | {"note": "a\nb"},
    "half a character": GOOD | {"note": "\ud800"},
    "a number for a note": GOOD | {"note": 7},
    "an unknown field": GOOD | {"actor": "me"},
    "a list": [GOOD],
    "null": None,
}


def movements(shop: Any, product_id: int, query: str = "") -> Any:
    """The answer about the product's ledger."""
    path = f"/api/products/{product_id}/stock/movements/{query}"
    return shop.client.get(path, headers=shop.admin.headers)


# Who may


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "1/stock/adjust/"), ("GET", "1/stock/movements/"), ("GET", "stock/reconcile/")],
)
def test_stock_is_the_business_of_administrators(
    client: TestClient, customer: SignedUser, method: str, path: str
) -> None:
    body = GOOD if method == "POST" else None

    assert client.request(method, f"/api/products/{path}", json=body).status_code == 401
    assert client.request(method, f"/api/products/{path}", json=body, headers=customer.headers).status_code == 403


# What is refused


@pytest.mark.parametrize("product_id", [999_999, 0, 2**63, "lamp"])
def test_an_unknown_product_is_404(shop: Any, product_id: Any) -> None:
    assert shop.adjust(product_id, 1).status_code == 404
    assert movements(shop, product_id).status_code == 404


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_bad_adjustment_is_refused(shop: Any, body: Any) -> None:
    product = shop.add()["id"]
    headers = shop.admin.headers | {"Content-Type": "application/json"}

    answer = shop.client.post(f"/api/products/{product}/stock/adjust/", content=json.dumps(body), headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
    assert shop.ledger(product) == [(10, "set")]


def test_what_is_held_cannot_be_taken_away(shop: Any) -> None:
    product = shop.add(stock=10)["id"]
    shop.hold(shop.wish({product: 4}))

    answer = shop.adjust(product, -7)

    assert (answer.status_code, answer.json()["code"], answer.json()["available"]) == (409, "insufficient_stock", 6)
    assert shop.counters(product) == (10, 4, 0)
    assert shop.adjust(product, -6).json() == {"stock": 0, "on_hand": 4, "reserved": 4}


def test_there_is_an_end_to_what_may_come(shop: Any) -> None:
    product = shop.add(stock=MOST_STOCK)["id"]
    shop.hold(shop.wish({product: 4}))

    answer = shop.adjust(product, 5)

    assert (answer.status_code, answer.json()["code"]) == (409, "too_much_stock")
    assert shop.adjust(product, 4).json() == {"stock": MOST_STOCK, "on_hand": MOST_STOCK + 4, "reserved": 4}


# The good way


@pytest.mark.parametrize("reason", ADJUSTED)
def test_pieces_come_and_go_for_a_reason(shop: Any, reason: str) -> None:
    product = shop.add(stock=10)["id"]
    shop.hold(shop.wish({product: 4}))

    assert shop.adjust(product, 5, reason, note=" found in the cellar ").json() == {
        "stock": 11,
        "on_hand": 15,
        "reserved": 4,
    }
    assert shop.adjust(product, -2, reason).status_code == 200

    (down, up, _) = movements(shop, product).json()["results"]
    assert (up["delta"], up["reason"], up["note"]) == (5, reason, "found in the cellar")
    assert (down["delta"], down["reason"], down["note"]) == (-2, reason, None)
    assert {down["actor"], up["actor"]} == {str(shop.admin.id)}
    assert shop.counters(product) == (13, 4, 0)


@pytest.mark.parametrize("note", ["", "   ", None])
def test_an_empty_note_is_none(shop: Any, note: str | None) -> None:
    product = shop.add()["id"]

    assert shop.adjust(product, 1, note=note).status_code == 200
    assert movements(shop, product).json()["results"][0]["note"] is None


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_a_product_off_sale_has_stock_too(shop: Any, status: str) -> None:
    product = shop.add(status=status, stock=1)["id"]

    assert shop.adjust(product, 1).json()["stock"] == 2


def test_a_change_of_stock_is_a_change_of_the_product_and_the_catalogue(shop: Any) -> None:
    before = shop.add(stock=10)
    with shop.sessions.begin() as session:
        facts = read_version(session).facts

    shop.adjust(before["id"], 1)

    assert shop.see(before["id"])["updated_at"] > before["updated_at"]
    with shop.sessions.begin() as session:
        assert read_version(session).facts > facts
    assert [kind for kind, _, _ in shop.said_of(before["id"])] == ["product.created"]


def test_stock_that_comes_is_said_when_it_shows(shop: Any) -> None:
    product = shop.add(stock=0)["id"]

    shop.adjust(product, 9)

    assert [(kind, version) for kind, version, _ in shop.said_of(product)][1:] == [("product.updated", 2)]
    assert shop.said_of(product)[-1][2]["availability"] == "in_stock"


# Repeats


def test_a_repeated_key_changes_stock_once(shop: Any) -> None:
    product, key = shop.add(stock=10)["id"], str(new_id())

    first, again = shop.adjust(product, 3, key=key), shop.adjust(product, 3, key=key)
    other = shop.adjust(product, 4, key=key)

    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert shop.ledger(product) == [(10, "set"), (3, "received")]


def test_a_key_belongs_to_one_product(shop: Any) -> None:
    one, two, key = shop.add()["id"], shop.add()["id"], str(new_id())

    shop.adjust(one, 3, key=key)

    assert "idempotent-replayed" not in shop.adjust(two, 3, key=key).headers
    assert shop.ledger(two) == [(10, "set"), (3, "received")]


def test_a_refused_key_may_be_tried_again(shop: Any) -> None:
    product, key = shop.add(stock=1)["id"], str(new_id())

    assert shop.adjust(product, -2, key=key).status_code == 409
    shop.adjust(product, 1)

    assert shop.adjust(product, -2, key=key).json()["stock"] == 0


@pytest.mark.parametrize(("delta", "statuses"), [(3, {200}), (-30, {409})])
def test_a_crowd_with_one_key_changes_stock_once(
    shop: Any, delta: int, statuses: set[int], deadlocks: list[Any]
) -> None:
    product, key = shop.add(stock=10)["id"], str(new_id())

    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda _: shop.adjust(product, delta, key=key), range(32)))

    assert {answer.status_code for answer in answers} == statuses
    assert shop.counters(product)[0] == (13 if delta > 0 else 10)
    assert deadlocks == []


# The ledger


def test_the_ledger_is_listed_by_page_and_by_cursor_newest_first(shop: Any) -> None:
    product = shop.add(stock=10)["id"]
    shop.add(stock=3)
    for n in range(1, 5):
        shop.adjust(product, n)

    page = movements(shop, product, "?page_size=2&page=2").json()
    first = movements(shop, product, "?limit=3").json()
    rest = movements(shop, product, f"?{first['next'].partition('?')[2]}").json()

    assert (page["count"], [row["delta"] for row in page["results"]]) == (5, [2, 1])
    assert f"/api/products/{product}/stock/movements/?" in page["next"]
    assert [row["delta"] for row in first["results"] + rest["results"]] == [4, 3, 2, 1, 10]
    assert ("count" in first, rest["next"]) == (False, None)


def test_a_row_of_the_ledger_says_who_why_how_much_and_when(shop: Any) -> None:
    product = shop.add(stock=10)["id"]
    with shop.sessions.begin() as session:
        kept = session.scalar(select(StockMovement).where(StockMovement.product_id == product))

    (row,) = movements(shop, product).json()["results"]

    moved_at = datetime.fromisoformat(row.pop("moved_at"))
    assert abs((moved_at - kept.at).total_seconds()) <= 0.001
    assert row == {
        "id": kept.id,
        "delta": 10,
        "reason": "set",
        "note": None,
        "order_id": None,
        "actor": str(shop.admin.id),
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [("?page=2", 404), ("?cursor=x", 400), ("?cursor=WyJ4Il0", 400), ("?limit=101", 400), ("?reason=sold", 400)],
)
def test_a_bad_question_about_the_ledger_is_refused(shop: Any, query: str, status: int) -> None:
    assert movements(shop, shop.add()["id"], query).status_code == status


def test_a_sku_may_look_like_a_path_of_the_ledger(shop: Any) -> None:
    product = shop.add(sku="stock/movements")

    assert shop.see_sku("stock/movements")["id"] == product["id"]
    shop.change(product["id"], sku=None)


# The race


def test_adjustments_and_holds_of_one_product_add_up(shop: Any, deadlocks: list[Any]) -> None:
    product, other = shop.add(stock=30)["id"], shop.add(stock=1000)["id"]
    dice = Random(11)

    def adjust() -> tuple[int, int]:
        delta = dice.choice((-3, -2, -1, 1, 2))
        answer = shop.adjust(product, delta, "correction")
        assert answer.status_code == 200 or answer.json()["code"] == "insufficient_stock", answer.text
        return (delta, 0) if answer.status_code == 200 else (0, 0)

    def hold() -> tuple[int, int]:
        (result,) = shop.hold(shop.wish({other: 1, product: 1}))
        assert result["outcome"] in ("held", "short")
        return (0, int(result["outcome"] == "held"))

    with ThreadPoolExecutor(16) as crowd:
        done = list(crowd.map(lambda n: (adjust, hold)[n % 2](), range(200)))

    moved, pieces = (sum(numbers) for numbers in zip(*done, strict=True))
    assert shop.counters(product) == (30 + moved, pieces, 0)
    assert shop.see(product)["stock"] == 30 + moved - pieces >= 0
    assert len([row for row in done if row == (0, 0)]) > 0
    assert deadlocks == []
