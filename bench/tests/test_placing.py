"""How invoices become orders: in turn for one customer, at once for many, cancellations after what they cancel."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from replaying.accounts import Account
from replaying.gateway import Gateway
from replaying.ledger import Ledger
from replaying.placing import Shoppers, follow_all
from replaying.plan import Invoice

pytestmark = pytest.mark.unit

PRODUCTS = {"A": 1, "B": 2}


class Shop:
    """Answers as the gateway would and remembers what it was asked, by whom."""

    def __init__(self, refusal: httpx2.Response | None = None) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: list[str] = []
        self.busy: Counter[str] = Counter()
        self.crowd = 0
        self.refusal = refusal

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        body: Any = json.loads(request.content) if request.content else None
        path = request.url.path
        if path == "/api/auth/login/":
            return httpx2.Response(200, json=_session(body["username"]))
        customer = request.headers["Authorization"].removeprefix("Bearer ")
        assert not self.busy[customer], "two requests of one customer at once"
        self.busy[customer] += 1
        self.crowd = max(self.crowd, self.busy.total())
        await asyncio.sleep(0)
        self.busy[customer] -= 1
        self.asked.append((customer, f"{request.method} {path}", body))
        self.keys.append(request.headers.get("Idempotency-Key", ""))
        return self._answer(path)

    def _answer(self, path: str) -> httpx2.Response:
        if path == "/api/orders/":
            number = str(len(self.asked))
            return self.refusal or httpx2.Response(201, json={"id": f"id-{number}", "number": number})
        return httpx2.Response(200, json={"items": []})


def _session(username: str) -> dict[str, Any]:
    return {"access_token": username, "refresh_token": "r", "expires_in": 600, "user": {"id": f"u-{username}"}}


def invoice(number: str, customer: str, **lines: int) -> Invoice:
    """What a customer wants, or wants no more."""
    return Invoice(number, customer, datetime(2011, 1, 1, tzinfo=UTC), Counter(lines))


def follow(shop: Shop, *invoices: Invoice, clients: int = 4, carts: frozenset[str] = frozenset()) -> Ledger:
    """The ledger after these invoices."""
    ledger = Ledger()

    async def run() -> None:
        gateway = Gateway("http://shop", 10, httpx2.MockTransport(shop.answer))
        accounts = {one.customer: Account(gateway, one.customer, "p") for one in invoices}
        await follow_all(Shoppers("run", accounts, carts, PRODUCTS, ledger), invoices, clients)
        await gateway.close()

    asyncio.run(run())
    return ledger


def test_an_invoice_is_one_order_with_a_key_of_its_own() -> None:
    shop = Shop()
    ledger = follow(shop, invoice("7", "x", A=2, B=1))
    items = [{"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1}]
    assert shop.asked == [("x", "POST /api/orders/", {"items": items, "note": "Invoice 7"})]
    assert shop.keys == ["replay-run-7-1"]
    assert [order.lines for order in ledger.placed] == [{1: 2, 2: 1}]


def test_one_customers_invoices_go_one_after_the_other_and_many_customers_at_once() -> None:
    shop = Shop()
    ledger = follow(shop, *(invoice(str(number), f"c{number % 3}", A=1) for number in range(60)), clients=3)
    assert len(ledger.placed) == 60
    assert 1 < shop.crowd <= 3
    for customer in ("c0", "c1", "c2"):
        notes = [int(body["note"].split()[1]) for who, _, body in shop.asked if who == customer]
        assert notes == sorted(notes)


def test_a_cancellation_takes_back_the_latest_order_with_that_product() -> None:
    shop = Shop()
    ledger = follow(
        shop, invoice("1", "x", A=1), invoice("2", "x", A=1), invoice("3", "x", B=1), invoice("C4", "x", A=1)
    )
    assert [order.cancelled for order in ledger.placed] == [False, True, False]
    assert shop.asked[-1] == ("x", "POST /api/orders/id-2/cancel/", {"reason": "customer"})


def test_a_second_cancellation_takes_back_the_order_before_by_the_other_way() -> None:
    shop = Shop()
    ledger = follow(
        shop, invoice("1", "x", A=1), invoice("2", "x", A=1), invoice("C3", "x", A=1), invoice("C4", "x", A=1)
    )
    assert [order.cancelled for order in ledger.placed] == [True, True]
    assert shop.asked[-1][1] == "DELETE /api/orders/id-1/"


def test_two_lines_of_one_order_take_it_back_once() -> None:
    ledger = follow(Shop(), invoice("1", "x", A=1), invoice("2", "x", A=1, B=1), invoice("C3", "x", A=1, B=1))
    assert [order.cancelled for order in ledger.placed] == [False, True]


def test_a_cancellation_without_an_order_is_counted() -> None:
    ledger = follow(Shop(), invoice("1", "x", A=1), invoice("C2", "y", A=1), invoice("C3", "x", B=1))
    assert (ledger.unmatched, ledger.cancelled) == (2, 0)


def test_some_customers_fill_their_cart_and_order_what_is_in_it() -> None:
    shop = Shop()
    follow(shop, invoice("1", "x", A=2, B=3), carts=frozenset({"x"}))
    assert [(what, body) for _, what, body in shop.asked] == [
        ("POST /api/cart/clear/", None),
        ("POST /api/cart/add_item/", {"product_id": 1, "quantity": 2}),
        ("POST /api/cart/add_item/", {"product_id": 2, "quantity": 3}),
        ("POST /api/orders/", {}),
    ]


def test_a_cart_is_filled_again_only_when_the_last_order_has_left_it() -> None:
    shop = Shop()
    follow(shop, invoice("1", "x", A=2), invoice("2", "x", A=1), carts=frozenset({"x"}))
    assert [what for _, what, _ in shop.asked[3:]] == [
        "GET /api/cart/",
        "POST /api/cart/add_item/",
        "POST /api/orders/",
    ]


def test_a_shortage_is_counted_and_leaves_an_empty_cart() -> None:
    shop = Shop(httpx2.Response(409, json={"code": "insufficient_stock"}))
    ledger = follow(shop, invoice("1", "x", A=2), carts=frozenset({"x"}))
    assert (ledger.placed, dict(ledger.refused), ledger.odd) == ([], {"insufficient_stock": 1}, [])
    assert shop.asked[-1][1] == "POST /api/cart/clear/"


def test_an_answer_that_no_rule_explains_is_kept_word_for_word() -> None:
    ledger = follow(Shop(httpx2.Response(500, text="oh")), invoice("1", "x", A=2))
    assert ledger.odd == ["POST /api/orders/: 500 oh"]


def test_lines_of_a_product_that_was_not_uploaded_are_counted() -> None:
    shop = Shop()
    ledger = follow(shop, invoice("1", "x", A=2, Z=1), invoice("2", "x", Z=1))
    assert (len(ledger.placed), ledger.unsold) == (1, 2)
