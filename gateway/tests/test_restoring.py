"""A backup is made while people buy, more happens, and it is brought back: the shop is as it was, and all of it agrees.

On a stack of its own, as everybody else's world would go back as well.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from uuid import uuid4

import httpx
import pytest

from common.testing.waiting import eventually

from .operator import Operator
from .people import Json, Person, mails_to, new_product, ok, problem, register, sign_in
from .processes import ProcessSite, own_processes
from .site import PATIENCE_S

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

MOST = 1000
"""Orders of one buyer at most."""
PAUSE_S = 0.2
"""Between two orders of one buyer, so that they go on for longer than a look at all numbers and a backup take."""
BUYERS = 2


@dataclass
class Trade:
    """What people have bought, order by order."""

    over: Event = field(default_factory=Event)
    placed: list[str] = field(default_factory=list)

    def buy(self, buyer: Person, product: int) -> None:
        """One order after the other, every fourth of them cancelled."""
        for number in range(MOST):
            if self.over.wait(PAUSE_S):
                return
            key, pieces = str(uuid4()), 1 + number % 3
            order = served(lambda key=key, pieces=pieces: buyer.order(product, pieces, key))["id"]
            if number % 4 == 3:
                served(lambda order=order: buyer.post(f"/api/orders/{order}/cancel/"))
            self.placed.append(order)

    def wait_for(self, more: int) -> list[str]:
        """What was placed once that are so many more than now."""
        wanted = len(self.placed) + more
        eventually(lambda: len(self.placed) >= wanted, PATIENCE_S)
        return list(self.placed)


@pytest.fixture(scope="module")
def shop() -> Iterator[ProcessSite]:
    with own_processes() as site:
        yield site


@pytest.fixture(scope="module")
def visitors(shop: ProcessSite) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, timeout=60, trust_env=False) as http:
        yield http


def test_a_shop_that_came_back_from_a_backup_agrees_with_itself(
    shop: ProcessSite, visitors: httpx.Client, tmp_path: Path
) -> None:
    settings, operator = shop.settings, Operator(shop)
    admin = sign_in(visitors, settings.admin_username, settings.admin_password)
    product, buyers = new_product(admin, 5000), [register(visitors, "buyer") for _ in range(BUYERS)]
    first = ok(buyers[0].order(product), 201)
    eventually(lambda: len(about(shop, buyers[0], first["number"])) == 1, PATIENCE_S)

    trade, backup = Trade(), tmp_path / "backup"
    with ThreadPoolExecutor(BUYERS) as hands:
        buying = [hands.submit(trade.buy, buyer, product) for buyer in buyers]
        try:
            trade.wait_for(5)
            assert operator.doctor("--patience", "15") == (0, []), "while people buy"
            shop.stop("realtime")  # what it would hear waits in the broker while the backup is made
            before = trade.wait_for(10)
            code, said = operator.say("backup", str(backup))
            assert code == 0, said
            meanwhile = set(trade.placed)
            after = set(trade.wait_for(10)) - meanwhile
        finally:
            trade.over.set()
        for hand in buying:
            hand.result()
    late = register(visitors, "late")

    damaged = shutil.copytree(backup, tmp_path / "damaged")
    with (damaged / "schemas.sql.gz").open("r+b") as file:
        file.seek(2000)
        file.write(b"damage")
    code, said = operator.say("restore", "--yes", str(damaged))
    assert (code, "is damaged" in said) == (1, True)
    ok(admin.get(f"/api/orders/{trade.placed[-1]}/"))

    code, said = operator.say("restore", "--yes", str(backup))
    assert code == 0, said
    problem(admin.get("/api/orders/"), 401)
    problem(visitors.post("/api/auth/refresh/", json={"refresh_token": buyers[0].refresh_token}), 401)
    problem(visitors.post("/api/auth/login/", json={"username": late.username, "password": "figs and olives 7"}), 401)
    admin = sign_in(visitors, settings.admin_username, settings.admin_password)
    assert {admin.get(f"/api/orders/{order}/").status_code for order in before} == {200}
    assert {admin.get(f"/api/orders/{order}/").status_code for order in after} == {404}
    again, key = sign_in(visitors, buyers[0].username), str(uuid4())
    bought = served(lambda: again.order(product, 1, key))
    eventually(lambda: len(about(shop, again, bought["number"])) == 1, PATIENCE_S)
    assert operator.doctor() == (0, [])
    assert len(about(shop, again, first["number"])) == 1, "it was sent before the backup"


def served(ask: Callable[[], httpx.Response]) -> Json:
    """The answer of a shop that may be too busy for a moment, and says so: the request is repeated as it is."""
    answers: list[httpx.Response] = []

    def is_served() -> bool:
        answers.append(ask())
        return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

    eventually(is_served, PATIENCE_S)
    assert answers[-1].is_success, answers[-1].text
    body: Json = answers[-1].json()
    return body


def about(shop: ProcessSite, buyer: Person, number: str) -> list[object]:
    """The confirmations of an order that lie in the mailbox."""
    return [mail for mail in mails_to(shop, buyer.email) if mail.subject == f"Your order {number}"]
