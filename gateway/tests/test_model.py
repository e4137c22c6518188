"""Orders and stock, walked at random through the gateway beside a model of the two together."""

from decimal import Decimal
from typing import ClassVar, NamedTuple
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from common.testing.waiting import eventually

from .model import MOVES, Goods, Item, Order, Reply, Shop
from .people import Json, Person, new_product, ok, problem, register, sign_in
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

WALKS, MANY_WALKS, STEPS = 7, 100, 15
NOWHERE = 2**62
"""A product that there never was."""
STOCKS = (3, 12, 1200)
BUYERS = ("ada", "ben")
BUYER = st.sampled_from(BUYERS)

AT = st.integers(0, 99)
"""Which of them, as a number that is taken modulo how many there are."""
ITEMS = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]), st.sampled_from([1, 1, 1, 2, 2, 3, 500])),
    min_size=1,
    max_size=3,
)
"""Lines of one request; a product may come twice, and number 3 is the one that there never was."""
EXPECTED = st.sampled_from([None, None, None, "right", "wrong"])


class Wish(NamedTuple):
    """A request for an order, to be sent again."""

    buyer: str
    body: Json
    key: str | None


class Life(RuleBasedStateMachine):
    """Two buyers, an administrator and three products."""

    http: ClassVar[httpx.Client]
    site: ClassVar[Site]
    wishes = Bundle("wishes")

    @initialize(target=wishes, wanted=st.lists(st.tuples(BUYER, ITEMS), min_size=3, max_size=3))
    def open(self, wanted: list[tuple[str, list[Item]]]) -> MultipleResults[Wish]:
        """A walk begins with a few orders: which rules it takes at all is left to chance."""
        known = self.site.settings
        self.admin = sign_in(self.http, known.admin_username, known.admin_password)
        self.people: dict[str, Person] = {buyer: register(self.http, buyer) for buyer in BUYERS} | {"admin": self.admin}
        self.shop = Shop()
        for stock in STOCKS:
            product = new_product(self.admin, stock=stock, price=f"{stock}.50")
            self.shop.goods[product] = Goods(Decimal(f"{stock}.50"), stock)
        wishes = [Wish(buyer, self._body(items, None), str(uuid4())) for buyer, items in wanted]
        for wish in wishes:
            self._send(wish)
        return multiple(*wishes)

    @rule(target=wishes, buyer=BUYER, items=ITEMS, expected=EXPECTED, keyed=st.booleans())
    def place(self, buyer: str, items: list[Item], expected: str | None, keyed: bool) -> Wish:
        wish = Wish(buyer, self._body(items, expected), str(uuid4()) if keyed else None)
        self._send(wish)
        return wish

    @rule(target=wishes, wish=wishes, change=st.sampled_from(["none", "none", "body", "buyer"]), items=ITEMS)
    def place_again(self, wish: Wish, change: str, items: list[Item]) -> Wish:
        """With the same key, if there was one: the same, something else, or the same as somebody else."""
        if change == "body":
            wish = wish._replace(body=self._body(items, None))
        elif change == "buyer":
            wish = wish._replace(buyer=_other(wish.buyer))
        self._send(wish)
        return wish

    @rule(buyer=BUYER, items=ITEMS, by_admin=st.booleans(), restock=st.booleans())
    def place_and_cancel_before_anybody_has_heard(
        self, buyer: str, items: list[Item], by_admin: bool, restock: bool
    ) -> None:
        order = self._send(Wish(buyer, self._body(items, None), None)).order
        if order is not None:
            self._cancel(order, "admin" if by_admin else buyer, restock=restock)

    @precondition(lambda self: self.shop.orders)
    @rule(
        at=AT,
        by=st.sampled_from(["owner", "owner", "admin", "admin", "another"]),
        restock=st.sampled_from([None, None, True, False]),
    )
    def cancel(self, at: int, by: str, restock: bool | None) -> None:
        """With a word on the stock, or by DELETE, which has none."""
        order = self._order(at)
        buyer = {"owner": order.buyer, "another": _other(order.buyer), "admin": "admin"}[by]
        if restock is not None:
            self._cancel(order, buyer, restock=restock)
        else:
            self._compare(self.people[buyer].delete(f"/api/orders/{order.id}/"), self.shop.cancel(order, buyer))

    @precondition(lambda self: self.shop.orders)
    @rule(at=AT, onwards=st.booleans(), status=st.sampled_from(list(MOVES)))
    def move(self, at: int, onwards: bool, status: str) -> None:
        order = self._order(at)
        wanted = next(iter(MOVES[order.status]), status) if onwards else status
        answer = self.admin.patch(f"/api/orders/{order.id}/", {"status": wanted})
        self._compare(answer, self.shop.move(order, wanted))

    @rule(
        at=AT,
        delta=st.sampled_from([1, 4, 30, -1, -3, -30]),
        reason=st.sampled_from(["received", "correction", "damaged", "returned", "other"]),
        times=st.sampled_from([1, 1, 2]),
    )
    def adjust_stock(self, at: int, delta: int, reason: str, times: int) -> None:
        """With one key, however often."""
        number, headers = self._number(at), {"Idempotency-Key": str(uuid4())}
        wanted = self.shop.adjust(number, delta, reason)
        for _ in range(times):
            body = {"delta": delta, "reason": reason}
            answer = self.admin.post(f"/api/products/{number}/stock/adjust/", body, headers=headers)
            self._compare(answer, wanted)

    @rule(
        at=AT,
        stock=st.sampled_from([None, 0, 1, 5, 20, 2000]),
        status=st.sampled_from(["active", "active", "active", "draft", "archived"]),
        price=st.sampled_from(["0.01", "7.00", "19.99"]),
    )
    def change_the_product(self, at: int, stock: int | None, status: str, price: str) -> None:
        number = self._number(at)
        self.shop.change(number, stock, status, Decimal(price))
        changes = {"status": status, "price": price} | ({} if stock is None else {"stock": stock})
        ok(self.admin.patch(f"/api/products/{number}/", changes))

    @invariant()
    def everything_agrees_once_it_is_heard(self) -> None:
        for number in self.shop.goods:
            eventually(lambda number=number: self._stands_as_said(number), PATIENCE_S)  # type: ignore[misc]
        for buyer in BUYERS:
            listed = ok(self.people[buyer].get("/api/orders/", params={"page_size": 100}))["results"]
            orders = [order.shown for order in reversed(self.shop.orders) if order.buyer == buyer]
            assert [_summary(order) for order in listed] == orders

    def teardown(self) -> None:
        differences = ok(self.admin.get("/api/products/stock/reconcile/"))["differences"]
        assert [it for it in differences if it["product_id"] in self.shop.goods] == []
        for number, goods in self.shop.goods.items():
            rows = ok(self.admin.get(f"/api/products/{number}/stock/movements/", params={"page_size": 100}))["results"]
            assert [(row["reason"], row["delta"], row["order_id"]) for row in reversed(rows)] == goods.ledger

    def _send(self, wish: Wish) -> Reply:
        """Place it; what is held or refused is seen in the stock at once."""
        headers = {"Idempotency-Key": wish.key} if wish.key else None
        answer = self.people[wish.buyer].post("/api/orders/", wish.body, headers=headers)
        wanted, replayed = self.shop.place(wish.buyer, wish.body, wish.key)
        said = self._compare(answer, wanted)
        assert ("idempotent-replayed" in answer.headers) == replayed
        if wanted.order is not None:
            wanted.order.id = wanted.order.id or said["id"]
            assert (said["id"], said["total"]) == (wanted.order.id, wanted.order.total)
        if wanted.code != "total_changed":
            for number, goods in self.shop.goods.items():
                shown = self._product(number)
                assert (shown["stock"], shown["sold_count"] + shown["reserved"]) == (goods.free, goods.sold)
        return wanted

    def _cancel(self, order: Order, by: str, *, restock: bool) -> None:
        answer = self.people[by].post(f"/api/orders/{order.id}/cancel/", {"restock": restock})
        self._compare(answer, self.shop.cancel(order, by, restock=restock))

    def _compare(self, answer: httpx.Response, wanted: Reply) -> Json:
        if wanted.code is None:
            return ok(answer, wanted.status)
        said = problem(answer, wanted.status, wanted.code)
        assert said.get("items") == wanted.items
        return said

    def _stands_as_said(self, number: int) -> bool:
        shown, goods = self._product(number), self.shop.goods[number]
        seen = {name: shown[name] for name in ("stock", "on_hand", "reserved", "sold_count")}
        assert seen == {"stock": goods.free, "on_hand": goods.free, "reserved": 0, "sold_count": goods.sold}
        return True

    def _product(self, number: int) -> Json:
        return ok(self.admin.get(f"/api/products/{number}/"))

    def _body(self, items: list[Item], expected: str | None) -> Json:
        numbers = [*self.shop.goods, NOWHERE]
        lines = [(numbers[at], quantity) for at, quantity in items]
        total = self.shop.price(lines) + (0 if expected == "right" else 1)
        body = {"items": [{"product_id": number, "quantity": quantity} for number, quantity in lines]}
        return body | ({"expected_total": f"{total:.2f}"} if expected else {})

    def _number(self, at: int) -> int:
        return list(self.shop.goods)[at % len(self.shop.goods)]

    def _order(self, at: int) -> Order:
        return self.shop.orders[at % len(self.shop.orders)]


def _other(buyer: str) -> str:
    return next(other for other in BUYERS if other != buyer)


def _summary(order: Json) -> Json:
    """A listed order in the model's words."""
    pieces = {line["product"]["id"]: line["quantity"] for line in order["items"]}
    return {name: order[name] for name in ("id", "status", "total")} | {"pieces": pieces}


def test_orders_and_stock_go_together_as_in_the_model(
    http: httpx.Client, site: Site, pytestconfig: pytest.Config
) -> None:
    seeded = pytestconfig.getoption("--hypothesis-seed") is not None
    effort = settings(
        max_examples=MANY_WALKS if seeded else WALKS,
        stateful_step_count=STEPS,
        derandomize=not seeded,
        database=None,
        deadline=None,
        phases=set(Phase) if seeded else {Phase.generate},
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(type("LifeHere", (Life,), {"http": http, "site": site}), settings=effort)
