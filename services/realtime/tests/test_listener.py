"""What waits for a client, without any server."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pytest

from realtime.board import Board, Count
from realtime.listener import TRY_LATER, Dismissed, Frame, Listener, TooSlow

pytestmark = pytest.mark.unit


class Wire:
    """Takes frames, or leaves them lying while it is blocked."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, frame: Frame) -> None:
        await self.open.wait()
        self.taken.append(frame["text"])


def _frames(**texts: str) -> dict[int, Frame]:
    return {int(key[1:]): {"type": "websocket.send", "text": text} for key, text in texts.items()}


def _with_a_listener(
    story: Callable[[Wire, Listener], Awaitable[None]], timeout_s: float = 5
) -> Coroutine[Any, Any, None]:
    async def run() -> None:
        wire = Wire()
        listener = Listener(wire.send, timeout_s)
        running = asyncio.create_task(listener.run())
        try:
            await story(wire, listener)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return run()


async def _until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not look():
            await asyncio.sleep(0)


def test_a_slow_client_gets_only_the_newest_of_each_product_in_the_order_of_the_numbers() -> None:
    async def story(wire: Wire, listener: Listener) -> None:
        wire.open.clear()
        listener.tell(_frames(p1="1"))
        await asyncio.sleep(0)
        for update in ({"p1": "2"}, {"p2": "3"}, {"p1": "4"}, {"p3": "5"}, {"p2": "6"}):
            listener.tell(_frames(**update))
        wire.open.set()
        await _until(lambda: len(wire.taken) == 4)
        assert wire.taken == ["1", "4", "5", "6"]

    asyncio.run(_with_a_listener(story))


def test_what_is_said_comes_after_what_waits() -> None:
    async def story(wire: Wire, listener: Listener) -> None:
        listener.tell(_frames(p1="1", p2="2"))
        await listener.say(lambda: b"3")
        assert wire.taken == ["1", "2", "3"]

    asyncio.run(_with_a_listener(story))


class Straight:
    """A client, and the way past its task: what went which way."""

    def __init__(self, wire: Wire, timeout_s: float = 5) -> None:
        self.room = 9
        self.written: list[str] = []
        self.listener = Listener(wire.send, timeout_s, self._write)

    def _write(self, frames: Sequence[Frame]) -> int:
        taken = frames[: self.room]
        self.written += [frame["text"] for frame in taken]
        return len(taken)


def test_a_client_that_has_taken_everything_is_told_at_once() -> None:
    async def story() -> None:
        client = Straight(Wire())
        assert client.listener.tell(_frames(p1="1", p2="2")) == 2
        assert client.written == ["1", "2"]

    asyncio.run(story())


def test_what_does_not_fit_straight_away_waits_and_what_follows_waits_behind_it() -> None:
    async def story() -> None:
        wire = Wire()
        client = Straight(wire)
        client.room = 1
        assert client.listener.tell(_frames(p1="1", p2="2")) == 2
        client.room = 9
        client.listener.tell(_frames(p3="3"))
        assert client.written == ["1"]
        async with client.listener.turn:
            await client.listener.flush()
        assert wire.taken == ["2", "3"]
        client.listener.tell(_frames(p1="4"))
        assert client.written == ["1", "4"]

    asyncio.run(story())


def test_nothing_is_told_into_what_is_being_said() -> None:
    async def story() -> None:
        wire = Wire()
        client = Straight(wire)
        wire.open.clear()
        saying = asyncio.create_task(client.listener.say(lambda: b"1"))
        await _until(client.listener.turn.locked)
        client.listener.tell(_frames(p1="2"))
        wire.open.set()
        await saying
        assert (wire.taken, client.written) == (["1"], [])

    asyncio.run(story())


def test_who_must_begin_anew_is_told_no_newer_number() -> None:
    """It would resume from that one, and miss what led to its dismissal."""

    async def story() -> None:
        client = Straight(Wire())
        client.listener.dismiss(1012)
        client.listener.tell(_frames(p1="1"))
        assert client.written == []

    asyncio.run(story())


def test_who_must_begin_anew_is_told_no_newer_number_by_what_is_being_said_either() -> None:
    async def story() -> None:
        wire = Wire()
        listener = Listener(wire.send, 5)
        async with listener.turn:
            listener.tell(_frames(p1="1"))
            listener.dismiss(1012)
            assert listener.tell(_frames(p2="2")) == 0
        with pytest.raises(Dismissed) as dismissed:
            await listener.say(lambda: b"3")
        assert (dismissed.value.code, wire.taken) == (1012, [])

    asyncio.run(story())


def test_who_has_not_taken_a_message_in_time_is_told_nothing_after_it() -> None:
    """What it did not take may be lost."""

    async def story() -> None:
        wire = Wire()
        client = Straight(wire, timeout_s=0.05)
        wire.open.clear()
        with pytest.raises(TooSlow):
            await client.listener.say(lambda: b"1")
        wire.open.set()
        assert client.listener.tell(_frames(p1="2")) == 0
        with pytest.raises(Dismissed):
            await client.listener.say(lambda: b"3")
        assert (wire.taken, client.written) == ([], [])

    asyncio.run(story())


def test_a_client_that_takes_nothing_is_told_to_try_later() -> None:
    async def story() -> None:
        wire = Wire()
        wire.open.clear()
        listener = Listener(wire.send, timeout_s=0.05)
        listener.tell(_frames(p1="1"))
        with pytest.raises(Dismissed) as dismissed:
            await listener.run()
        assert dismissed.value.code == TRY_LATER

    asyncio.run(story())


def test_what_waits_for_a_product_that_is_no_longer_wanted_is_dropped() -> None:
    async def story(wire: Wire, listener: Listener) -> None:
        async with listener.turn:
            listener.tell(_frames(p1="1", p2="2", p3="3"))
            listener.unsubscribe([1])
            listener.subscribe([3])
            assert listener.tell(_frames(p1="4", p2="5")) == 0
        await listener.say(lambda: b"end")
        assert wire.taken == ["3", "end"]

    asyncio.run(_with_a_listener(story))


def test_the_board_follows_the_log_without_a_gap_only() -> None:
    board = Board("s", 5, {})
    assert board.follows([Count(6, 1, 1)])
    assert not board.follows([Count(7, 1, 1)])
    assert not board.follows([Count(6, 1, 1), Count(8, 1, 1)])
    assert not board.follows([])


def test_the_boards_text_changes_with_its_number() -> None:
    board = Board("s", 5, {1: 2})
    first = board.snapshot()
    assert first == b'{"stream":"s","seq":5,"data":[{"id":1,"sold_count":2}]}'
    board.apply([Count(6, 1, 3), Count(7, 2, 1)])
    assert board.snapshot() == (b'{"stream":"s","seq":7,"data":[{"id":1,"sold_count":3},{"id":2,"sold_count":1}]}')
    assert board.snapshot([2], reset=True) == (b'{"reset":true,"stream":"s","seq":7,"data":[{"id":2,"sold_count":1}]}')
