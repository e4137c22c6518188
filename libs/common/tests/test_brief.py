"""The brief queue's tests: what is worth hearing for minutes only is heard once, expires, and leaves nothing behind."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common.broker import brief_queue_name, connect, dead_letter_name, declare_delays, declare_events, disconnect
from common.clock import now
from common.consumer import Consumer, one_by_one
from common.database import Sessions
from common.events.auth import OtpRequested
from common.ids import new_id
from common.running import Background
from common.testing.broker import Broker
from common.testing.waiting import eventually

QUEUE = brief_queue_name("toys")
DEAD = dead_letter_name("toys")


def laid_out(broker: Broker) -> None:
    async def lay_out() -> None:
        connection = await connect(broker.url, "layout")
        channel = await connection.channel()
        await declare_events(channel)
        await declare_delays(channel)
        await disconnect(connection)

    asyncio.run(lay_out())


def requested() -> OtpRequested:
    return OtpRequested(challenge_id=new_id(), expires_at=now() + timedelta(minutes=10))


def note(session: Session, event: OtpRequested) -> None:
    session.execute(text("INSERT INTO effects (what) VALUES (:what)"), {"what": str(event.challenge_id)})


def listen(broker: Broker, sessions: Sessions, handler: Callable[[Session, OtpRequested], None]) -> Consumer:
    return Consumer("toys", broker.url, sessions, one_by_one({OtpRequested: handler}), brief=True)


def test_it_is_heard_once_on_a_queue_of_its_own(
    broker: Broker, sessions: Sessions, keep: Callable[[Background], Any], effects: Callable[[], list[str]]
) -> None:
    laid_out(broker)
    event = requested()
    broker.tell(event, times=3)
    assert broker.size("toys.events") == 0
    keep(listen(broker, sessions, note))
    eventually(lambda: effects() == [str(event.challenge_id)])
    eventually(lambda: broker.size(QUEUE) == 0)
    assert effects() == [str(event.challenge_id)]


def test_what_cannot_be_handled_is_dropped_and_buried_nowhere(
    broker: Broker, sessions: Sessions, keep: Callable[[Background], Any], effects: Callable[[], list[str]]
) -> None:
    poison, last = requested(), requested()

    def handler(session: Session, event: OtpRequested) -> None:
        note(session, event)
        if event == poison:
            raise ZeroDivisionError("not edible")

    laid_out(broker)
    broker.send("user.otp_requested", b"no envelope")
    broker.tell(poison)
    broker.tell(last)
    kept = keep(listen(broker, sessions, handler))
    eventually(lambda: effects() == [str(last.challenge_id)])
    kept.stop()  # what was not acknowledged would be ready again
    assert broker.size(QUEUE) == broker.size(DEAD) == 0


def test_what_nobody_has_heard_in_time_is_gone(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.broker.BRIEF_S", 1)
    laid_out(broker)
    broker.tell(requested())
    assert broker.size(QUEUE) == 1
    eventually(lambda: broker.size(QUEUE) == 0)
    assert broker.size(DEAD) == 0
