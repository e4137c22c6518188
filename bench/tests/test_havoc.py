"""What buyers are told and do not know, who is let through the turnstile, what is planned and what is written."""

import asyncio
import random
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from replaying.accounts import Account
from wrecking import load, plan, report
from wrecking.checking import Row
from wrecking.deliveries import MOST_TIMES, Message, repeated
from wrecking.ledger import Ledger, Placing
from wrecking.load import Turnstile, settle
from wrecking.looking import Sent, note_mail
from wrecking.wire import NO_ANSWER, NoAnswer, Wire

pytestmark = pytest.mark.unit

SESSION = {"access_token": "a", "refresh_token": "r", "expires_in": 600}
CREATED = httpx2.Response(201, json={"id": "1", "number": "N", "total": "2.00"})


def problem(status: int, code: str) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code})


class Shop:
    """Answers orders and cancellations in turn; the last answer stays."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.asked: list[httpx2.Request] = []
        self._answers = answers
        self.wire = Wire("http://shop", 1, httpx2.MockTransport(self._answer))

    def placing(self, **more: Any) -> Placing:
        return Placing(Account(self.wire, "x", "y"), "key", {1: 2}, **more)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/auth/login/":
            return httpx2.Response(200, json=SESSION)
        told = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(request)
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "AGAIN_S", 0.0)


def test_a_request_goes_out_once_and_is_written_down() -> None:
    shop = Shop(httpx2.ReadError("gone"), httpx2.Response(503, json={"code": "unavailable"}))

    async def story() -> None:
        with pytest.raises(NoAnswer):
            await shop.wire.send("GET", "/api/products/")
        await shop.wire.send("GET", "/api/cart/")

    asyncio.run(story())
    seen = [(it.door, it.what, it.status, it.code, it.failed) for it in shop.wire.attempts]
    assert seen == [
        ("catalog", "GET /api/products/", NO_ANSWER, "ReadError", True),
        ("cart", "GET /api/cart/", 503, "unavailable", True),
    ]


@pytest.mark.parametrize(
    "passing",
    [
        httpx2.ReadError("cut"),
        problem(503, "catalog_unavailable"),
        problem(500, "internal_error"),
        problem(409, "idempotency_in_progress"),
        httpx2.Response(404, text="404 page not found"),
    ],
    ids=["no answer", "503", "500", "in progress", "a gateway without routes"],
)
def test_what_says_nothing_final_is_asked_again_with_the_same_key(passing: httpx2.Response | Exception) -> None:
    shop = Shop(passing, CREATED)
    ledger = Ledger()
    placing = ledger.open(shop.placing())
    asyncio.run(settle(ledger))
    assert (placing.order_ids, placing.number, placing.refusal, ledger.unsettled) == ({"1"}, "N", "", [])
    assert [request.headers["Idempotency-Key"] for request in shop.asked] == ["key", "key"]


def test_a_refusal_is_final() -> None:
    shop = Shop(problem(409, "insufficient_stock"), CREATED)
    placing = shop.placing()
    asyncio.run(settle(Ledger([placing])))
    assert (placing.order_ids, placing.refusal, len(shop.asked)) == (set(), "insufficient_stock", 1)


def test_a_cancellation_is_unknown_until_it_is_answered() -> None:
    shop = Shop(httpx2.ReadError("cut"), httpx2.Response(200, json={}))
    placing = shop.placing(order_ids={"1"}, wants_cancel=True)
    assert not placing.is_settled
    asyncio.run(settle(Ledger([placing])))
    assert placing.is_cancelled
    assert [(request.method, request.url.path) for request in shop.asked] == [("DELETE", "/api/orders/1/")] * 2


def test_who_fills_the_cart_once_more_uses_no_key_again() -> None:
    """The answer would be that of before, and the piece not in the cart."""
    keys: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/auth/login/":
            return httpx2.Response(200, json=SESSION)
        if request.url.path != "/api/cart/add_item/":
            return httpx2.Response(200, json={})
        keys.append(request.headers["Idempotency-Key"])
        return problem(409, "insufficient_stock")

    async def story() -> None:
        wire = Wire("http://shop", 1, httpx2.MockTransport(answer))
        chance = random.Random(1)  # noqa: S311 - to be repeated
        buyer = load.CartBuyer(Account(wire, "x", "y"), load.Shelf([1], [1]), Ledger(), chance, "run")
        for _ in range(3):
            await buyer.act()

    asyncio.run(story())
    assert len(keys) == len(set(keys)) == 3


def test_a_closed_turnstile_waits_for_who_is_inside_and_lets_nobody_in() -> None:
    seen: list[str] = []

    async def story() -> None:
        turnstile, inside, over = Turnstile(), asyncio.Event(), asyncio.Event()

        async def go(name: str) -> None:
            async with turnstile.turn():
                seen.append(name)
                inside.set()
                await over.wait()
                seen.append(f"{name} is done")

        first = asyncio.create_task(go("first"))
        await inside.wait()
        closing = asyncio.create_task(turnstile.close())
        second = asyncio.create_task(go("second"))
        await asyncio.sleep(0)
        assert not closing.done()
        over.set()
        await closing
        seen.append("closed")
        turnstile.open()
        await asyncio.gather(first, second)

    asyncio.run(story())
    assert seen == ["first", "first is done", "closed", "second", "second is done"]


def test_events_are_repeated_a_few_times_and_in_another_order() -> None:
    messages = [Message(str(n), "order.placed", "{}") for n in range(50)]
    told = repeated(messages, random.Random(1))
    assert set(told) == set(messages)
    assert {told.count(message) for message in messages} == set(range(1, MOST_TIMES + 1))
    assert told != sorted(told, key=messages.index)


def test_the_same_seed_breaks_the_same_things() -> None:
    first, again, other = ([*islice(plan.at_random(seed), 5)] for seed in (7, 7, 8))
    assert first == again != other


def test_the_wanted_faults_are_found_by_a_word_of_their_names() -> None:
    assert [[fault.name for fault in group] for group in plan.only("kill cart, flush", plan.DEFAULT)] == [
        ["kill cart"],
        ["flush Redis"],
    ]
    assert plan.only("no such word", plan.DEFAULT) == []


def test_each_fault_has_a_name_of_its_own() -> None:
    assert len(plan.KNOWN) == sum(map(len, plan.DEFAULT))


def test_a_mail_about_an_order_is_counted_by_its_message_id() -> None:
    sent: Sent = defaultdict(Counter)
    for subject, identity in (
        ("Your order 261127-AB-CD", "<1>"),
        ("Your order 261127-AB-CD", "<1>"),
        ("Your order 261127-AB-CD is cancelled", "<2>"),
        ("Welcome to Stoa", "<3>"),
    ):
        note_mail(sent, {"source": f"Subject: {subject}\nMessage-ID: {identity}\n\n"})
    assert {key: dict(found) for key, found in sent.items()} == {
        ("261127-AB-CD", "order_confirmation"): {"<1>": 2},
        ("261127-AB-CD", "order_cancellation"): {"<2>": 1},
    }


ROWS = [
    Row("kill orders", 1200, 3, 1, 2.5, 4.26),
    Row("flush Redis", 10, 0, 0, 0.1, None, {"sold counts agree": ["a", "b"]}, is_checked=True),
]


def test_the_table_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    document = tmp_path / "reliability.md"
    document.write_text(f"Before.\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n")
    report.write(document, ROWS, "Seed 1.")
    text = document.read_text()
    assert "old" not in text
    assert text.startswith("Before.\n\n")
    assert text.endswith("\n\nAfter.\n")
    assert "| kill orders | 1,200 | 3 | 1 | 2.5 | 4.3 |  |\n| flush Redis | 10 | 0 | 0 | 0.1 | never | 2 |" in text
    assert "| 2 faults | 1,210 | 3 | 1 | 2.5 | 4.3 | 2 |" in text


def test_a_document_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "other.md"
    document.write_text("Nothing here.")
    with pytest.raises(ValueError, match="no place"):
        report.write(document, ROWS, "Seed 1.")
