"""The broker is away while people go on ordering: none of them notices, and afterwards everyone has heard of it all.

The broker is away for `STOA_BROKER_AWAY_S` seconds, and as long as it takes to stop and to start.
"""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from common.testing.waiting import eventually

from .people import Json, Person, Visitor, new_product, ok, statuses, subjects_to, wait_for_numbers
from .site import PATIENCE_S, Site

AWAY_S = float(os.environ.get("STOA_BROKER_AWAY_S", "8"))
LIMIT_S = PATIENCE_S + 10 * AWAY_S
"""For what was ordered meanwhile to be heard, and mailed."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 2 * LIMIT_S)]

HANDS = 4
PIECES = 2
PLENTY = 1_000_000
EACH = 5
"""One order of so many is cancelled at once."""


@dataclass
class Round:
    """What one buyer was answered."""

    buyer: Person
    placed: list[httpx.Response] = field(default_factory=list)
    cancelled: list[httpx.Response] = field(default_factory=list)

    def go_on(self, product: int, over: threading.Event) -> None:
        """Order, read the order, sometimes cancel it, until it is over."""
        while not over.is_set():
            answer = self.buyer.order(product, PIECES, key=str(uuid4()))
            self.placed.append(answer)
            order = ok(answer, 201)
            assert ok(self.buyer.get(answer.headers["location"])) == order
            if len(self.placed) % EACH == 0:
                self.cancelled.append(self.buyer.delete(f"/api/orders/{order['id']}/"))

    @property
    def orders(self) -> dict[str, str]:
        """The status that each order must have, by its id."""
        cancelled = {answer.json()["id"]: "cancelled" for answer in self.cancelled}
        return {answer.json()["id"]: "pending" for answer in self.placed} | cancelled

    def listed(self) -> dict[str, str]:
        """The same as orders says."""
        found: list[Json] = []
        url: str | None = "/api/orders/?cursor=&limit=100"
        while url:
            page = ok(self.buyer.get(url))
            found, url = found + page["results"], page["next"]
        return {order["id"]: order["status"] for order in found}

    def mails(self) -> Counter[str]:
        """The subjects of the mails that must come, each once."""
        confirmed = [f"Your order {answer.json()['number']}" for answer in self.placed]
        cancelled = [f"Your order {answer.json()['number']} is cancelled" for answer in self.cancelled]
        return Counter(["Welcome to Stoa", *confirmed, *cancelled])

    def sent(self) -> int:
        """How many mails the notifier has sent."""
        return int(ok(self.buyer.get("/api/notifications/", params={"status": "sent"}))["count"])


@contextmanager
def _ordering(rounds: list[Round], product: int) -> Iterator[None]:
    """Buyers who go on ordering until the block ends, whatever happens in it."""
    over = threading.Event()
    with ThreadPoolExecutor(len(rounds)) as pool:
        hands: list[Future[None]] = []
        try:
            hands += [pool.submit(one.go_on, product, over) for one in rounds]
            yield
        finally:
            over.set()
    for hand in hands:
        hand.result()


@contextmanager
def _listening(site: Site, product: int) -> Iterator[list[int]]:
    """The sold counts of a product as they come over the wire, the newest at the end."""
    counts: list[int] = []

    def hear(socket: ClientConnection) -> None:
        for text in socket:
            said = json.loads(text)
            counts.extend([said["sold_count"]] if said.get("product_id") == product else [])

    with ThreadPoolExecutor(1) as pool, connect(f"{site.sockets}/ws/products/", proxy=None) as socket:
        socket.send(json.dumps({"action": "subscribe", "product_ids": [product]}))
        pool.submit(hear, socket)
        yield counts


def test_without_the_broker_orders_go_on_and_everyone_hears_of_them_afterwards(
    site: Site,
    newcomer: Callable[[], Person],
    admin: Person,
    stranger: Visitor,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    product, rounds = new_product(admin, stock=PLENTY), [Round(newcomer()) for _ in range(HANDS)]
    with _listening(site, product) as counts:
        try:
            with _ordering(rounds, product):
                eventually(lambda: counts, PATIENCE_S)
                meanwhile = _take_the_broker_away(site, stranger, product, rounds)
            back = monotonic()
        finally:
            site.start()
        placed = [answer for one in rounds for answer in one.placed]
        cancelled = [answer for one in rounds for answer in one.cancelled]
        assert statuses(placed) == {201: len(placed)}
        assert statuses(cancelled) == {200: len(cancelled)}
        sold = PIECES * (len(placed) - len(cancelled))
        wait_for_numbers(stranger, product, stock=PLENTY - sold, sold=sold, seconds=LIMIT_S)
        eventually(lambda: counts[-1] == sold, PATIENCE_S)
    record_testsuite_property("orders placed in all", len(placed))
    record_testsuite_property("orders placed while the broker was away", meanwhile)
    record_testsuite_property("seconds until all numbers agreed", round(monotonic() - back, 1))
    for one in rounds:
        assert one.listed() == one.orders
    mails = [one.mails() for one in rounds]
    eventually(lambda: [one.sent() for one in rounds] == [each.total() for each in mails], LIMIT_S)
    record_testsuite_property("seconds until all mails were sent", round(monotonic() - back, 1))
    addresses, wanted = [one.buyer.email for one in rounds], sum(mails, Counter())
    eventually(lambda: subjects_to(site, *addresses) == wanted, PATIENCE_S)
    assert [site.unsent(name) for name in ("auth", "catalog", "orders")] == [0, 0, 0]


def _take_the_broker_away(site: Site, stranger: Visitor, product: int, rounds: list[Round]) -> int:
    """Stop it and start it again, until something is heard; how many orders were placed while it was gone."""

    def heard() -> int:
        return int(ok(stranger.get(f"/api/products/{product}/"))["sold_count"])

    site.stop("rabbitmq")
    try:
        placed, sold = _placed(rounds), heard()
        threading.Event().wait(AWAY_S)
        meanwhile = _placed(rounds) - placed
        assert site.unsent("orders") >= meanwhile > 0
        assert heard() == sold, "nobody has heard of them yet"
    finally:
        site.let("rabbitmq")
    eventually(lambda: heard() != sold, PATIENCE_S)
    return meanwhile


def _placed(rounds: list[Round]) -> int:
    return sum(len(one.placed) for one in rounds)
