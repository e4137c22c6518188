"""Walks of users and guests through the real service, each step held against the model.

A run takes the same few walks each time; `--hypothesis-seed=1 --timeout=0` takes a thousand others, and shortens the
one that fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
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

from .model import CHANGED, FINE, UNKNOWN, Goods, Pile, Shop, Verdict

WALKS, MANY_WALKS = 30, 1000
USERS = ("ada", "ben")
PIECES = (1, 2, 3, 499, 500, 997)
ON_SALE = ("active", "in_stock")
STATES = (ON_SALE, ON_SALE, ON_SALE, ("active", "out_of_stock"), ("archived", "in_stock"))
OFTEN = ("come", "add", "add", "add", "update", "remove", "merge", "merge", "order")
SELDOM = ("clear", "change", "look", "month")


@dataclass(frozen=True)
class Step:
    """What is done next; what a step of its kind has no need of is not looked at."""

    kind: str
    who: int
    guest: int
    at: int
    quantity: int
    behind: int | None
    """How far the version that it is tied to lies behind, None if it is not tied to any."""
    twice: bool
    state: tuple[str, str]


STEPS = st.builds(
    Step,
    kind=st.sampled_from(OFTEN + OFTEN + SELDOM),
    who=st.integers(0, 5),
    guest=st.integers(0, 3),
    at=st.sampled_from([0, 0, 0, 1, 1, 2]),
    quantity=st.sampled_from(PIECES),
    behind=st.sampled_from([None] * 6 + [0, 0, 1]),
    twice=st.booleans(),
    state=st.sampled_from(STATES),
)


class Walk:
    """Two users, any number of guests, two products and one that nobody knows."""

    def __init__(self, client: TestClient, signer: Signer, sessions: Sessions, product: Callable[..., Any]) -> None:
        self.client, self.sessions, self.shop = client, sessions, Shop()
        self.people: dict[str, SignedUser] = {name: signer.user(name) for name in USERS}
        self.shown: dict[str, dict[str, str]] = {name: person.headers for name, person in self.people.items()}
        self.shop.piles = {name: Pile() for name in USERS}
        self.products: list[ProductCreated] = [product(price=Decimal(n)) for n in range(1, 4)]
        self._tell(*self.products[:2])

    def take(self, step: Step) -> None:
        """Go one step."""
        getattr(self, step.kind)(step)

    def come(self, step: Step) -> None:
        """A guest puts something in for the first time."""
        name, number = f"guest {len(self.shop.piles)}", self.products[step.at].product_id
        self.shop.piles[name] = Pile()
        headers = {"Idempotency-Key": str(new_id())} if step.twice else {}
        answer = self._ask("add_item", {"product_id": number, "quantity": step.quantity}, headers)
        wanted = self.shop.add(name, number, step.quantity)
        assert verdict(answer) == wanted
        assert ("x-cart-token" in answer.headers) == (wanted == FINE)
        self.shop.piles[name].is_over = wanted != FINE
        self.shown[name] = {"X-Cart-Token": answer.headers.get("x-cart-token", "A" * 22)}

    def add(self, step: Step) -> None:
        who, number = self._who(step), self.products[step.at].product_id
        seen = self._seen(who, step)
        headers = self._tied(who, seen) | ({"Idempotency-Key": str(new_id())} if step.twice else {})
        body = {"product_id": number, "quantity": step.quantity}
        answer = self._ask("add_item", body, headers)
        wanted = self.shop.add(who, number, step.quantity, seen)
        self._compare(who, answer, wanted)
        if step.twice and wanted != CHANGED:
            again = self._ask("add_item", body, headers)
            assert verdict(again) == wanted
            assert ("idempotent-replayed" in again.headers) == (wanted != UNKNOWN)

    def update(self, step: Step) -> None:
        who, number = self._who(step), self.products[step.at].product_id
        seen, quantity = self._seen(who, step), 0 if step.twice else step.quantity
        answer = self._ask("update_item", {"product_id": number, "quantity": quantity}, self._tied(who, seen))
        self._compare(who, answer, self.shop.update(who, number, quantity, seen))

    def remove(self, step: Step) -> None:
        who, number = self._who(step), self.products[step.at].product_id
        seen = self._seen(who, step)
        answer = self._ask("remove_item", {"product_id": number}, self._tied(who, seen))
        self._compare(who, answer, self.shop.update(who, number, 0, seen))

    def clear(self, step: Step) -> None:
        who = self._who(step)
        seen = self._seen(who, step)
        self._compare(who, self._ask("clear", None, self._tied(who, seen)), self.shop.clear(who, seen))

    def merge(self, step: Step) -> None:
        who, guest = USERS[step.who % 2], self._guest(step)
        if guest is None:
            return
        seen = self._seen(who, step)
        body = {"cart_token": self.shown[guest]["X-Cart-Token"]}
        answer = self._ask("merge", body, self._tied(who, seen))
        wanted, adjusted = self.shop.merge(who, guest, seen)
        assert verdict(answer) == wanted
        if wanted == FINE:
            said = answer.json()
            listed = [(line["product_id"], line["requested"], line["taken"]) for line in said["adjustments"]]
            assert sorted(listed) == adjusted
            assert summary(said["cart"]) == self.shop.shown(who)

    def order(self, step: Step) -> None:
        """What a user has ordered leaves the cart."""
        who, number = USERS[step.who % 2], self.products[step.at].product_id
        line = Line(product_id=number, sku=None, name="Lantern", quantity=step.quantity, price=Decimal(1))
        order = {"order_id": new_id(), "version": 1, "number": "1", "user_id": self.people[who].id}
        placed = OrderPlaced(**order, total=Decimal(1), currency="GBP", at=now(), lines=[line])
        with self.sessions.begin() as session:
            take_out_ordered(session, [placed])
        self.shop.order(who, {number: step.quantity})

    def change(self, step: Step) -> None:
        """Catalog tells of a product."""
        at, (status, availability) = step.at % 2, step.state
        old = self.products[at]
        new = {"version": old.version + 1, "price": Decimal(step.who), "status": status, "availability": availability}
        self.products[at] = old.model_copy(update=new)
        self._tell(self.products[at])

    def month(self, step: Step) -> None:
        """A guest stays away for too long."""
        guest = self._guest(step)
        if guest is None:
            return
        of_guest = update(Cart).where(Cart.id == Holder.guest(self.shown[guest]["X-Cart-Token"]).cart_id)
        with self.sessions.begin() as session:
            session.execute(of_guest.values(expires_at=now() - timedelta(seconds=1)))
        self.shop.piles[guest].is_over = True

    def look(self, step: Step) -> None:
        self._look(self._who(step))

    def look_at_all(self) -> None:
        """Nobody's cart was changed by what others did."""
        for who in self.shop.piles:
            self._look(who)

    def _who(self, step: Step) -> str:
        """One of the users, or of the guests who came last."""
        names = [*USERS, *[name for name in self.shop.piles if name not in USERS][-4:]]
        return names[step.who % len(names)]

    def _guest(self, step: Step) -> str | None:
        guests = [name for name in self.shop.piles if name not in USERS][-4:]
        return guests[step.guest % len(guests)] if guests else None

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

    def _tell(self, *products: ProductCreated) -> None:
        with self.sessions.begin() as session:
            keep_copies(session, products)
        for each in products:
            self.shop.goods[each.product_id] = Goods(each.price, each.status, each.availability)

    def _seen(self, who: str, step: Step) -> int | None:
        return None if step.behind is None else max(0, self.shop.piles[who].version - step.behind)

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
        derandomize=not seeded,
        database=None,
        deadline=None,
        phases=set(Phase) if seeded else {Phase.generate},
        suppress_health_check=list(HealthCheck),
    )

    @effort
    @given(st.lists(STEPS, min_size=25, max_size=40))
    def go(steps: list[Step]) -> None:
        walk = Walk(client, signer, sessions, product)
        for step in steps:
            walk.take(step)
        walk.look_at_all()

    go()
