"""What is told while a stream begins anew: nothing of the old one under the name of the new."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from common.database import Sessions
from common.ids import new_id
from common.tokens import User
from realtime import following
from realtime.audience import Audience
from realtime.board import Count
from realtime.desk import Desk
from realtime.following import BEGUN_ANEW, At, Follower
from realtime.listener import Dismissed, Frame, Guest, Listener
from realtime.models import LogEntry, Stream
from realtime.news import Standing
from realtime.queries import Log, OrderLog
from realtime.usecases import count_sold

WAIT_S = 10


class Late(Log):
    """A log that has been read when something happens, and answers after that."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def log(self, after: int, up_to: int | None = None) -> tuple[int, list[Count]]:
        found = super().log(after, up_to)
        if up_to is not None:
            self.meanwhile()
        return found


class LateOrders(OrderLog):
    """The same of orders."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def standing(self, owner: UUID | None) -> tuple[int, list[Standing]]:
        found = super().standing(owner)
        self.meanwhile()
        return found


class Ear:
    """What a client was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def take(self, frame: Frame) -> None:
        self.told.append(json.loads(frame["text"]))


@asynccontextmanager
async def _running(follower: Follower[At, Any, Any]) -> AsyncIterator[At]:
    running = asyncio.create_task(follower.run())
    try:
        yield await follower.ready()
    finally:
        running.cancel()


def _anew(sessions: Sessions, follower: Follower[Any, Any, Any]) -> Callable[[], None]:
    """Let the streams begin anew as a rebuild does, and this process notice."""
    loop = asyncio.get_running_loop()

    def begin() -> None:
        with sessions.begin() as session:
            for stream in session.scalars(select(Stream)):
                stream.name, stream.seq = new_id(), stream.seq + 1
        asyncio.run_coroutine_threadsafe(follower.catch_up(), loop).result(WAIT_S)

    return begin


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks into a log by itself."""
    monkeypatch.setattr(following, "POLL_S", 2 * WAIT_S)


def test_what_was_missed_of_a_stream_is_not_told_as_of_the_next(sessions: Sessions, product: int) -> None:
    async def story() -> None:
        with sessions.begin() as session:
            (missed,) = count_sold(session, {product: 1})
        log, ear = Late(sessions), Ear()
        audience = Audience(log)
        async with _running(audience) as board:
            log.meanwhile = _anew(sessions, audience)
            await audience.replay(Listener(ear.take, WAIT_S), board.stream, missed.seq - 1)
            (reset,) = ear.told
            assert (reset["type"], reset["reset"], reset["stream"]) == ("sold_counts", True, audience.board.stream)
            assert reset["stream"] != board.stream

    asyncio.run(story())


def test_where_orders_stood_in_a_stream_is_not_told_as_of_the_next(sessions: Sessions) -> None:
    async def story() -> None:
        log, ear = LateOrders(sessions), Ear()
        desk = Desk(log)
        guest = Guest(ear.take, WAIT_S, User(new_id(), "ada", "customer", new_id(), ("pwd",)), "token")
        async with _running(desk):
            log.meanwhile = _anew(sessions, desk)
            with pytest.raises(Dismissed) as dismissed:
                await desk.begin(guest)
            assert (dismissed.value.code, ear.told) == (BEGUN_ANEW, [])

    asyncio.run(story())


def test_a_message_that_is_missing_between_two_is_not_passed_over(sessions: Sessions, product: int) -> None:
    async def story() -> None:
        with sessions.begin() as session:
            first, second, _ = (count_sold(session, {product: 1})[0].seq for _ in range(3))
            session.execute(delete(LogEntry).where(LogEntry.seq == second))
        audience, ear = Audience(Log(sessions)), Ear()
        async with _running(audience) as board:
            await audience.replay(Listener(ear.take, WAIT_S), board.stream, first - 1)
        assert [said.get("reset") for said in ear.told] == [True]

    asyncio.run(story())
