"""Walks of users and guests through the real service, each step held against the model.

A run takes the same few walks each time; `--hypothesis-seed=1 --timeout=0` takes a thousand others.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import update

from cart.copying import keep_copies
from cart.holders import Holder
from cart.models import Cart
from cart.usecases import take_out_ordered
from common.clock import now
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.events.orders import Line, OrderPlaced
from common.ids import new_id
from common.testing.signing import SignedUser, Signer

from .model import FINE, UNKNOWN, Goods, Pile, Shop, Verdict

WALKS, STEPS, MANY_WALKS = 20, 30, 1000
USERS = ("ada", "ben")
NUMBERS = st.integers(0, 4)
PIECES = st.sampled_from([1, 2, 3, 498, 499, 998, 999])
SEEN = st.sampled_from([None, None, None, 0, -1])
"""How far the version that a change is tied to lies behind, None for a change that is not."""
STATES = st.sampled_from([("active", "in_stock"), ("active", "out_of_stock"), ("archived", "in_stock")])


class Walk(RuleBasedStateMachine):
    """Two users, any number of guests, four products and one that nobody knows."""

    users = Bundle("users")
    guests = Bundle("guests")

    def __init__(self, client: TestClient, signer: Signer, sessions: Sessions, product: Callable[..., Any]) -> None:
        super().__init__()
        self.client, self.sessions, self.shop = client, sessions, Shop()
        self.people: dict[str, SignedUser] = {name: signer.user(name) for name in USERS}
        self.shown: dict[str, dict[str, str]] = {name: person.headers for name, person in self.people.items()}
        self.products: list[ProductCreated] = [product(price=Decimal(n)) for n in range(1, 6)]
        self._tell(*self.products[:4])

    @initialize(target=users)
    def ada(self) -> str:
        return self._enter("ada")

    @initialize(target=users)
    def ben(self) -> str:
        return self._enter("ben")

    @rule(target=guests, at=NUMBERS, quantity=PIECES, key=st.booleans())
    def come_as_a_guest(self, at: int, quantity: int, key: bool) -> str:
        name, number = f"guest {len(self.shop.piles)}", self.products[at].product_id
        self._enter(name)
        headers = {"Idempotency-Key": str(new_id())} if key else {}
        answer = self._ask("add_item", {"product_id": number, "quantity": quantity}, headers)
        wanted = self.shop.add(name, number, quantity)
        assert verdict(answer) == wanted
        assert ("x-cart-token" in answer.headers) == (wanted == FINE)
        if wanted != FINE:
            self.shop.piles[name].is_over = True
        self.shown[name] = {"X-Cart-Token": answer.headers.get("x-cart-token", "A" * 22)}
        return name

    @rule(who=users | guests, at=NUMBERS, quantity=PIECES, seen=SEEN, twice=st.booleans())
    def add(self, who: str, at: int, quantity: int, seen: int | None, twice: bool) -> None:
        number, version = self.products[at].product_id, self._seen(who, seen)
        headers = self._tied(who, version) | ({"Idempotency-Key": str(new_id())} if twice else {})
        body = {"product_id": number, "quantity": quantity}
        answer = self._ask("add_item", body, headers)
        wanted = self.shop.add(who, number, quantity, version)
        self._compare(who, answer, wanted)
        if twice and wanted[0] != 412:
            again = self._ask("add_item", body, headers)
            assert verdict(again) == wanted
            assert ("idempotent-replayed" in again.headers) == (wanted != UNKNOWN)

    @rule(who=users | guests, at=NUMBERS, quantity=st.just(0) | PIECES, seen=SEEN)
    def update(self, who: str, at: int, quantity: int, seen: int | None) -> None:
        number, version = self.products[at].product_id, self._seen(who, seen)
        answer = self._ask("update_item", {"product_id": number, "quantity": quantity}, self._tied(who, version))
        self._compare(who, answer, self.shop.update(who, number, quantity, version))

    @rule(who=users | guests, at=NUMBERS, seen=SEEN)
    def remove(self, who: str, at: int, seen: int | None) -> None:
        number, version = self.products[at].product_id, self._seen(who, seen)
        answer = self._ask("remove_item", {"product_id": number}, self._tied(who, version))
        self._compare(who, answer, self.shop.update(who, number, 0, version))

    @rule(who=users | guests, seen=SEEN)
    def clear(self, who: str, seen: int | None) -> None:
        version = self._seen(who, seen)
        answer = self._ask("clear", None, self._tied(who, version))
        self._compare(who, answer, self.shop.clear(who, version))

    @rule(who=users, guest=guests, seen=SEEN)
    def merge(self, who: str, guest: str, seen: int | None) -> None:
        version = self._seen(who, seen)
        body = {"cart_token": self.shown[guest]["X-Cart-Token"]}
        answer = self._ask("merge", body, self._tied(who, version))
        wanted, adjusted = self.shop.merge(who, guest, version)
        assert verdict(answer) == wanted
        if wanted == FINE:
            said = answer.json()
            listed = [(line["product_id"], line["requested"], line["taken"]) for line in said["adjustments"]]
            assert sorted(listed) == adjusted
            assert summary(said["cart"]) == self.shop.shown(who)

    @rule(who=users, at=NUMBERS, quantity=PIECES)
    def order(self, who: str, at: int, quantity: int) -> None:
        number = self.products[at].product_id
        line = Line(product_id=number, sku=None, name="Lantern", quantity=quantity, price=Decimal(1))
        order = {"order_id": new_id(), "version": 1, "number": "1", "user_id": self.people[who].id}
        placed = OrderPlaced(**order, total=Decimal(1), currency="GBP", at=now(), lines=[line])
        with self.sessions.begin() as session:
            take_out_ordered(session, [placed])
        self.shop.order(who, {number: quantity})

    @rule(at=st.integers(0, 3), price=st.integers(0, 3), state=STATES)
    def hear_of_a_change(self, at: int, price: int, state: tuple[str, str]) -> None:
        old = self.products[at]
        new = {"version": old.version + 1, "price": Decimal(price), "status": state[0], "availability": state[1]}
        self.products[at] = old.model_copy(update=new)
        self._tell(self.products[at])

    @rule(guest=guests)
    def let_a_month_go_by(self, guest: str) -> None:
        of_guest = update(Cart).where(Cart.id == Holder.guest(self.shown[guest]["X-Cart-Token"]).cart_id)
        with self.sessions.begin() as session:
            session.execute(of_guest.values(expires_at=now() - timedelta(seconds=1)))
        self.shop.piles[guest].is_over = True

    @rule(who=users | guests)
    def look(self, who: str) -> None:
        self._look(who)

    def teardown(self) -> None:
        """Nobody's cart was changed by what others did."""
        for who in self.shop.piles:
            self._look(who)

    def _look(self, who: str) -> None:
        answer = self.client.get("/api/cart/", headers=self.shown[who])
        self._compare(who, answer, self.shop.refusal(who, None) or FINE)
        if answer.status_code == 200:
            cart, said = answer.json(), self._ask("validate", None, self.shown[who]).json()
            problems = cart["problems"]
            assert said == {"ok": not problems, "problems": problems, "total": cart["total"]}

    def _compare(self, who: str, answer: Any, wanted: Verdict) -> None:
        assert verdict(answer) == wanted
        if wanted == FINE:
            assert summary(answer.json()) == self.shop.shown(who)

    def _enter(self, name: str) -> str:
        self.shop.piles[name] = Pile()
        return name

    def _tell(self, *products: ProductCreated) -> None:
        with self.sessions.begin() as session:
            keep_copies(session, products)
        for each in products:
            self.shop.goods[each.product_id] = Goods(each.price, each.status, each.availability)

    def _seen(self, who: str, behind: int | None) -> int | None:
        return None if behind is None else max(0, self.shop.piles[who].version + behind)

    def _tied(self, who: str, version: int | None) -> dict[str, str]:
        return self.shown[who] | ({} if version is None else {"If-Match": f'"{version}"'})

    def _ask(self, word: str, body: Any, headers: dict[str, str]) -> Any:
        return self.client.post(f"/api/cart/{word}/", json=body, headers=headers)


def verdict(answer: Any) -> Verdict:
    return (answer.status_code, "" if answer.status_code == 200 else answer.json()["code"])


def summary(cart: Any) -> dict[str, Any]:
    """A cart's view in the model's words."""
    return {
        "lines": {item["product"]["id"]: (item["quantity"], item["price_changed"]) for item in cart["items"]},
        "total": cart["total"],
        "version": cart["version"],
        "problems": {problem["product_id"]: problem["code"] for problem in cart["problems"]},
    }


def test_the_service_does_what_the_model_does(
    client: TestClient,
    signer: Signer,
    sessions: Sessions,
    product: Callable[..., ProductCreated],
    pytestconfig: pytest.Config,
) -> None:
    seeded = pytestconfig.getoption("--hypothesis-seed") is not None
    effort = settings(
        max_examples=MANY_WALKS if seeded else WALKS,
        stateful_step_count=STEPS,
        derandomize=not seeded,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Walk(client, signer, sessions, product), settings=effort)
