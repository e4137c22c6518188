"""What a service tells of itself, and how it goes on after its schema has come back from a backup."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from common import upkeep
from common.broker import connect, dead_letter_name, declare_events, disconnect, queue_name
from common.clock import now
from common.database import Sessions
from common.errors import Unavailable
from common.events.auth import UserRegistered
from common.ids import new_id
from common.outbox import inbox, outbox, say
from common.resuming import say_again, stay_awake
from common.testing.broker import Broker
from common.upkeep import see_dead_letters, see_outbox, see_queues

Registered = Callable[..., UserRegistered]

QUEUE = queue_name("toys")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PAUSE_S", 0.01)


async def _declare(url: str) -> None:
    connection = await connect(url, "tests")
    await declare_events(await connection.channel())
    await disconnect(connection)


def test_an_event_that_waits_for_long_or_for_an_operator_is_told(sessions: Sessions, registered: Registered) -> None:
    with sessions.begin() as session:
        say(session, registered(), registered())
    assert not see_outbox(sessions).wrong
    with sessions.begin() as session:
        session.execute(update(outbox).values(created_at=now() - timedelta(seconds=90)))
        first = session.scalars(select(outbox.c.seq)).first()
        session.execute(update(outbox).where(outbox.c.seq == first).values(parked_at=now()))
    assert [sentence[:34] for sentence in see_outbox(sessions).wrong] == [
        "1 events are parked",
        "the oldest of 2 events has waited ",
    ]


def test_a_queue_that_does_not_move_is_told(broker: Broker) -> None:
    asyncio.run(_declare(broker.url))
    seen = see_queues(broker.url, {QUEUE: True}, 0.1)
    assert list(seen.wrong) == [f"0 messages wait in {QUEUE}, to which nobody listens"]
    broker.send(dead_letter_name("toys"), b"{}", exchange="")
    assert list(see_dead_letters(broker.url, dead_letter_name("toys")).wrong) == ["1 dead letters"]
    with pytest.raises(Unavailable, match="no queue moths"):
        see_dead_letters(broker.url, "moths")
    with pytest.raises(Unavailable, match="the broker does not answer"):
        see_dead_letters("amqp://127.0.0.1:1/", "moths")


def test_all_that_the_outbox_keeps_is_said_again_and_the_inbox_forgets_no_sooner(
    sessions: Sessions, registered: Registered
) -> None:
    heard = now() - timedelta(days=13)
    with sessions.begin() as session:
        say(session, registered(), registered(), registered())
        seqs = session.scalars(select(outbox.c.seq).order_by(outbox.c.seq)).all()
        session.execute(update(outbox).where(outbox.c.seq == seqs[0]).values(published_at=heard, attempts=3))
        session.execute(update(outbox).where(outbox.c.seq == seqs[1]).values(parked_at=heard, attempts=10))
        for age in (0, 2):
            row = {"event_id": new_id(), "type": "user.registered", "heard_at": heard - timedelta(days=age)}
            session.execute(insert(inbox), row)
    with sessions.begin() as session:
        assert say_again(session) == 3
        assert stay_awake(session) == 2
        kept = session.execute(select(outbox.c.published_at, outbox.c.parked_at, outbox.c.attempts)).all()
        ages = [now() - at for at in session.scalars(select(inbox.c.heard_at).order_by(inbox.c.heard_at))]
    assert set(map(tuple, kept)) == {(None, None, 0)}
    assert [age // timedelta(days=1) for age in ages] == [2, 0]


def test_an_inbox_that_has_heard_nothing_stays_so(sessions: Sessions) -> None:
    with sessions.begin() as session:
        assert stay_awake(session) == 0
