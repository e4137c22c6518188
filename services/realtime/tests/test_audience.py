"""How everyone is told, from a real log: what was counted here needs no look into it, what others counted does."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from common.database import Sessions
from realtime import following
from realtime.audience import Audience
from realtime.board import Count
from realtime.listener import Frame, Listener
from realtime.queries import Log
from realtime.usecases import count_sold

WAIT_S = 10


class Watched(Log):
    """A log that knows how often it has been looked into."""

    looks = 0

    def log(self, after: int, up_to: int | None = None) -> tuple[int, list[Count]]:
        found = super().log(after, up_to)
        self.looks += 1
        return found


class Room:
    """An audience with one listener, and what that one was told."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.log = Watched(sessions)
        self.audience = Audience(self.log)
        self.told: list[int] = []
        self.listener = Listener(self._take, WAIT_S)

    async def _take(self, frame: Frame) -> None:
        self.told.append(json.loads(frame["text"])["sold_count"])

    def count(self, product: int) -> list[Count]:
        """One more is counted and committed; nobody has been told."""
        with self._sessions.begin() as session:
            return count_sold(session, {product: 1})

    async def until_told(self, *told: int) -> None:
        """Wait until these are the counts that the listener has been told, in this order."""
        async with asyncio.timeout(WAIT_S):
            while self.told != list(told):
                await asyncio.sleep(0)


Story = Callable[[Room], Awaitable[None]]


@pytest.fixture
def play(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> Callable[[Story], None]:
    """Plays a story in a room where nobody looks into the log unasked, once it was looked into at the opening."""
    monkeypatch.setattr(following, "POLL_S", 2 * WAIT_S)

    async def open_and_play(story: Story) -> None:
        room = Room(sessions)
        async with asyncio.timeout(2 * WAIT_S), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(room.audience.run())]
            while not room.log.looks:
                await asyncio.sleep(0)
            room.audience.join(room.listener)
            running.append(tasks.create_task(room.listener.run()))
            await story(room)
            for task in running:
                task.cancel()

    return lambda story: asyncio.run(open_and_play(story))


def test_what_was_counted_here_is_told_without_a_look_into_the_log(play: Callable[[Story], None], product: int) -> None:
    async def story(room: Room) -> None:
        room.audience.hear(room.count(product))
        await room.until_told(1)
        room.audience.hear(room.count(product))
        await room.until_told(1, 2)
        assert room.log.looks == 1

    play(story)


def test_what_has_changed_no_count_is_no_reason_to_look_into_the_log(
    play: Callable[[Story], None], product: int
) -> None:
    async def story(room: Room) -> None:
        room.audience.hear([])
        for _ in range(10):  # so that a look would have begun
            await asyncio.sleep(0)
        room.audience.hear(room.count(product))
        await room.until_told(1)
        assert room.log.looks == 1

    play(story)


def test_what_another_process_counted_before_is_told_before(play: Callable[[Story], None], product: int) -> None:
    async def story(room: Room) -> None:
        room.count(product + 1000000)
        room.count(product)
        room.audience.hear(room.count(product))
        await room.until_told(1, 2)

    play(story)


def test_what_another_process_counted_between_two_is_not_passed_over(
    play: Callable[[Story], None], product: int
) -> None:
    async def story(room: Room) -> None:
        first, _, third = room.count(product), room.count(product + 1000000), room.count(product + 2000000)
        room.audience.hear(first)
        room.audience.hear(third)
        await room.until_told(1, 1, 1)

    play(story)


def test_a_hint_of_another_process_is_followed_though_something_was_counted_here_too(
    play: Callable[[Story], None], product: int
) -> None:
    async def story(room: Room) -> None:
        room.audience.hear(room.count(product))
        room.count(product)
        room.audience.wake()
        await room.until_told(1, 2)

    play(story)


def test_what_waits_is_not_told_before_what_was_missed(play: Callable[[Story], None], product: int) -> None:
    """Whoever is cut off in between comes back with the last number, and would miss the smaller ones."""

    async def story(room: Room) -> None:
        told: list[dict[str, Any]] = []

        async def take(frame: Frame) -> None:
            told.append(json.loads(frame["text"]))

        late = Listener(take, WAIT_S)
        late.subscribe([product])
        room.audience.join(late)
        first, *_ = [room.count(product)[0].seq for _ in range(3)]
        await room.audience.catch_up()
        await room.audience.replay(late, room.audience.board.stream, first - 1)
        assert [said["sold_count"] for said in told] == [1, 2, 3]
        room.count(product)
        await room.audience.catch_up()
        await room.audience.begin(late)
        assert told[3:] == [told[3] | {"type": "sold_counts", "data": [{"id": product, "sold_count": 4}]}]
        await late.flush()
        assert len(told) == 4

    play(story)
