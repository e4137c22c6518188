"""The replicas' tests: each has its turn, and whoever cannot be reached is passed over."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from common import replicas
from common.http import AsyncSister, new_async_client, new_client
from common.service_tokens import Badge
from common.testing.sisters import FakeSister, fake_sister

pytestmark = pytest.mark.unit

Send = Callable[[str, str], httpx.Response]


@pytest.fixture
def twins() -> Iterator[list[FakeSister]]:
    with ExitStack() as stack:
        sisters = [stack.enter_context(fake_sister()) for _ in range(2)]
        for number, each in enumerate(sisters):
            each.answer("GET", "/", lambda *_, number=number: (200, number))
            each.answer("POST", "/", lambda *_, number=number: (503, number))
        yield sisters


def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def at_once(addresses: str, asked: list[str]) -> list[httpx.Response]:
    with new_client(addresses, httpx.Timeout(5, connect=0.2)) as client:
        return [client.request(method, "/toys/") for method in asked]


def in_a_loop(addresses: str, asked: list[str]) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        async with new_async_client(addresses, 5) as client:
            return [await client.request(method, "/toys/") for method in asked]

    return asyncio.run(ask())


both = pytest.mark.parametrize("ask", [at_once, in_a_loop])


@both
def test_each_has_its_turn(ask: Callable[..., list[httpx.Response]], twins: list[FakeSister]) -> None:
    answers = ask(f"{twins[0].url}, {twins[1].url}", ["GET"] * 4)
    assert [answer.json() for answer in answers] == [0, 1, 0, 1]
    assert [str(answer.url) for answer in answers[:2]] == [f"{each.url}/toys/" for each in twins]


@both
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_cannot_be_reached_is_passed_over(
    ask: Callable[..., list[httpx.Response]], twins: list[FakeSister], method: str
) -> None:
    answers = ask(f"{nobody()},{twins[1].url},{nobody()}", [method] * 6)
    assert [answer.json() for answer in answers] == [1] * 6
    assert len(twins[1].asked) == 6


@contextmanager
def silence() -> Iterator[str]:
    """An address where nobody refuses a connection either, as of a machine that is gone: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(2):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@both
def test_where_nobody_even_refuses_there_is_time_for_another(
    ask: Callable[..., list[httpx.Response]], twins: list[FakeSister]
) -> None:
    with silence() as gone:
        answers = ask(f"{gone},{twins[1].url}", ["POST"] * 4)
    assert [answer.json() for answer in answers] == [1] * 4


def test_a_look_up_has_time_for_another_too(twins: list[FakeSister]) -> None:
    async def look_up(addresses: str) -> tuple[int, object]:
        sister = AsyncSister("auth", addresses, Badge("toys"), timeout_s=2)
        try:
            return await sister.get("/toys/")
        finally:
            await sister.close()

    with silence() as gone:
        assert asyncio.run(look_up(f"{gone},{twins[1].url}")) == (200, 1)


def test_who_could_not_be_reached_is_left_in_peace_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 100.0
    monkeypatch.setattr(replicas, "monotonic", lambda: moment)
    tried: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.host)
        if request.url.host == "gone":
            raise httpx.ConnectTimeout("nobody")
        return httpx.Response(200)

    with httpx.Client(transport=replicas.Replicas("http://gone,http://here", httpx.MockTransport(answer))) as client:
        for _ in range(4):
            client.get("http://gone/")
        assert tried == ["gone", "here", "here", "here", "here"]
        moment += replicas.AWAY_S
        client.get("http://gone/")
        assert tried[5:] == ["gone", "here"]


@both
def test_who_has_answered_is_believed(ask: Callable[..., list[httpx.Response]], twins: list[FakeSister]) -> None:
    (answer,) = ask(f"{twins[0].url},{twins[1].url}", ["POST"])
    assert (answer.status_code, len(twins[1].asked)) == (503, 0)


@both
def test_when_nobody_can_be_reached_it_is_said(ask: Callable[..., list[httpx.Response]]) -> None:
    with pytest.raises(httpx.ConnectError):
        ask(f"{nobody()},{nobody()}", ["GET"])
