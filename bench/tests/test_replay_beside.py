"""A file's invoices beside the made-up buyers: each request passes the turnstile, and there is an end to them."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from replaying import gateway as patience
from replaying.accounts import Account
from replaying.gateway import Gateway
from replaying.plan import Invoice, Plan, Product
from wrecking.ledger import Placing
from wrecking.load import Turnstile
from wrecking.replay import Replay, Watched
from wrecking.wire import NO_ANSWER, Wire

pytestmark = pytest.mark.unit

Answer = Callable[[httpx2.Request], httpx2.Response]
SESSION = {"access_token": "a", "refresh_token": "r", "expires_in": 600, "user": {"id": "ada-id"}}
STAND = {"id": 5, "sku": "CUP", "stock": 9, "reserved": 0, "sold_count": 0}
TASK = {
    **{"status": "finished", "processed": 1, "total": 1, "created": 1, "updated": 0, "unchanged": 0, "failed": 0},
    **{"finished_at": "now", "rows_per_second": 1},
}
ORDER = {"id": "o", "number": "N", "total": "5.00"}


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.0)


def shop(request: httpx2.Request) -> httpx2.Response:
    """A shop that sells cups to everybody."""
    answers: dict[tuple[str, str], tuple[int, object]] = {
        ("POST", "/api/auth/register/"): (201, {}),
        ("POST", "/api/auth/login/"): (200, SESSION),
        ("POST", "/api/products/bulk-upload/"): (202, {"task_id": "t"}),
        ("GET", "/api/products/bulk-upload/t/"): (200, TASK),
        ("GET", "/api/products/"): (200, {"results": [STAND], "next": None}),
        ("POST", "/api/orders/"): (201, ORDER),
    }
    status, body = answers[request.method, request.url.path]
    return httpx2.Response(status, json=body)


def watched(answer: Answer, turnstile: Turnstile, wire: Wire) -> Gateway:
    return Gateway("http://shop", 1, Watched(turnstile, wire, httpx2.MockTransport(answer)))


def a_plan(invoices: int) -> Plan:
    cup = Product("CUP", "A cup", 9, Counter({Decimal("2.5"): 1}))
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    orders = [Invoice(str(number), "walk-in-x", moment, Counter({"CUP": 2})) for number in range(invoices)]
    return Plan({"CUP": cup}, orders, invoices, Counter())


def test_a_request_waits_at_the_turnstile_and_is_written_down() -> None:
    turnstile, wire = Turnstile(), Wire("http://shop", 1, httpx2.MockTransport(shop))

    async def story() -> None:
        gateway = watched(shop, turnstile, wire)
        await turnstile.close()
        asked = asyncio.create_task(gateway.send("GET", "/api/products/"))
        await asyncio.sleep(0)
        assert wire.attempts == []
        turnstile.open()
        assert (await asked).status_code == 200

    asyncio.run(story())
    assert [(it.door, it.what, it.status) for it in wire.attempts] == [("catalog", "GET /api/products/", 200)]


def test_a_gateway_without_routes_is_asked_again() -> None:
    answers = iter([httpx2.Response(404, text="404 page not found"), httpx2.Response(200, json={})])
    wire = Wire("http://shop", 1, httpx2.MockTransport(shop))
    gateway = watched(lambda _: next(answers), Turnstile(), wire)
    assert asyncio.run(gateway.send("GET", "/api/products/")).status_code == 200
    assert [(it.status, it.code) for it in wire.attempts] == [(NO_ANSWER, "ReadError"), (200, "")]


def test_what_its_customers_were_told_is_held_against_the_books_as_well() -> None:
    wire = Wire("http://shop", 1, httpx2.MockTransport(shop))
    replay = Replay(a_plan(3), watched(shop, Turnstile(), wire), "run")

    async def story() -> None:
        await replay.open(Account(replay.gateway, "admin", "secret"))
        await replay.play()

    asyncio.run(story())
    assert (replay.initial, replay.prices, replay.users) == ({5: 9}, {5: Decimal("2.50")}, {"ada-id"})
    told: list[Placing] = list(replay.placings())
    assert [(placing.lines, placing.order_ids, placing.is_settled) for placing in told] == [({5: 2}, {"o"}, True)] * 3


def test_when_it_is_over_no_invoice_is_begun() -> None:
    wire = Wire("http://shop", 1, httpx2.MockTransport(shop))
    replay = Replay(a_plan(3), watched(shop, Turnstile(), wire), "run")
    replay.end()
    asyncio.run(replay.play())
    assert list(replay.placings()) == []
