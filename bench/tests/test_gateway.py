"""How a request is sent again, and when it is not."""

import asyncio
from collections.abc import Callable

import httpx2
import pytest

from replaying import gateway
from replaying.gateway import ATTEMPTS, Gateway, GaveUp
from replaying.stop import Stop

pytestmark = pytest.mark.unit

Answer = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "LONGEST_PAUSE_S", 0.0)


def send(*answers: httpx2.Response | Exception) -> tuple[Gateway, list[httpx2.Request], httpx2.Response | Exception]:
    """Place an order at a shop that answers so: the gateway, what it was asked, and the end of it."""
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        told = answers[min(len(asked), len(answers) - 1)]
        asked.append(request)
        if isinstance(told, Exception):
            raise told
        return told

    async def place(shop: Gateway) -> httpx2.Response | Exception:
        try:
            return await shop.send("POST", "/api/orders/", headers={"Idempotency-Key": "k"}, json={})
        except (Stop, GaveUp) as error:
            return error
        finally:
            await shop.close()

    shop = Gateway("http://shop", 1, httpx2.MockTransport(answer))
    return shop, asked, asyncio.run(place(shop))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_passing_failure_is_sent_again_with_the_same_key(status: int) -> None:
    shop, asked, end = send(httpx2.Response(status), httpx2.Response(201))
    assert isinstance(end, httpx2.Response)
    assert end.status_code == 201
    assert [request.headers["Idempotency-Key"] for request in asked] == ["k", "k"]
    assert (dict(shop.answers), dict(shop.again)) == ({status: 1, 201: 1}, {str(status): 1})


def test_a_lost_connection_is_sent_again() -> None:
    shop, asked, end = send(httpx2.ReadError("gone"), httpx2.Response(201))
    assert isinstance(end, httpx2.Response)
    assert (len(asked), dict(shop.again)) == (2, {"no answer (ReadError)": 1})


def test_a_key_that_is_still_worked_on_is_asked_for_again() -> None:
    busy = httpx2.Response(409, json={"code": "idempotency_in_progress"}, headers={"Retry-After": "1"})
    _, asked, end = send(busy, httpx2.Response(201))
    assert isinstance(end, httpx2.Response)
    assert (len(asked), end.status_code) == (2, 201)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500])
def test_any_other_answer_is_final(status: int) -> None:
    _, asked, end = send(httpx2.Response(status, json={"code": "x"}))
    assert isinstance(end, httpx2.Response)
    assert (len(asked), end.status_code) == (1, status)


def test_a_request_that_is_never_answered_is_given_up_and_remembered() -> None:
    shop, asked, end = send(httpx2.Response(503))
    assert isinstance(end, GaveUp)
    assert (len(asked), shop.gave_up) == (ATTEMPTS, ["POST /api/orders/: 503"])


def test_rate_limits_end_the_replay_with_what_to_do() -> None:
    _, asked, end = send(httpx2.Response(429))
    assert isinstance(end, Stop)
    assert "STOA_RATE_LIMITS=off make up" in str(end)
    assert len(asked) == 1
