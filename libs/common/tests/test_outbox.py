"""The outbox's and inbox's tests: what is kept, in which order, and for how long."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from structlog.contextvars import bound_contextvars

from common import outbox as room
from common.broker import PREFETCH
from common.clock import now
from common.database import Sessions
from common.events.auth import UserRegistered
from common.ids import new_id
from common.outbox import Unsent, first_time, inbox, mark_failed, mark_sent, outbox, purge, say, unsent

Registered = Callable[..., UserRegistered]


def test_rows_wait_in_the_order_in_which_they_were_said(sessions: Sessions, registered: Registered) -> None:
    events = [registered(version=number) for number in range(1, 8)]
    with sessions.begin() as session:
        say(session, *events)
        say(session)
    with sessions.begin() as session:
        rows = unsent(session, 5)
        assert [sequence(row) for row in rows] == [1, 2, 3, 4, 5]
        assert [row.subject for row in rows] == [str(event.user_id) for event in events[:5]]
        mark_sent(session, [rows[0].seq, rows[1].seq])
        assert [sequence(row) for row in unsent(session, 5)] == [3, 4, 5, 6, 7]
        resting = {rows[3].subject}
        assert [sequence(row) for row in unsent(session, 5, resting)] == [3, 5, 6, 7]


def sequence(row: Unsent) -> int:
    number: int = json.loads(row.envelope)["sequence"]
    return number


def test_a_parked_row_holds_back_the_rest_of_its_subject(sessions: Sessions, registered: Registered) -> None:
    person = new_id()
    with sessions.begin() as session:
        say(session, registered(person, 1), registered(person, 2), registered(name="other"))
        first = unsent(session, 1)[0]
        for _ in range(2):
            mark_failed(session, [first.seq], 3)
            assert len(unsent(session, 9)) == 3
        mark_failed(session, [first.seq], 3)
        assert [json.loads(row.envelope)["data"]["username"] for row in unsent(session, 9)] == ["other"]
        assert session.scalars(select(outbox.c.attempts).where(outbox.c.seq == first.seq)).one() == 3


def test_a_trace_travels_with_the_event(sessions: Sessions, registered: Registered) -> None:
    with bound_contextvars(traceparent="00-abc"), sessions.begin() as session:
        say(session, registered())
    with sessions.begin() as session:
        assert json.loads(unsent(session, 1)[0].envelope)["traceparent"] == "00-abc"


def test_the_inbox_knows_what_was_heard(sessions: Sessions) -> None:
    one, two, three = ((new_id(), "user.registered") for _ in range(3))
    with sessions.begin() as session:
        assert first_time(session, [one, two, one]) == {one[0], two[0]}
    with sessions.begin() as session:
        assert first_time(session, [one, three]) == {three[0]}
        assert first_time(session, []) == set()


def test_of_a_batch_whose_last_was_heard_before_the_others_are_new(sessions: Sessions) -> None:
    """The batch is one statement, of which the server leaves nothing when it refuses one row."""
    *fresh, known = [(new_id(), "user.registered") for _ in range(PREFETCH)]
    with sessions.begin() as session:
        first_time(session, [known])
    with sessions.begin() as session:
        assert first_time(session, [*fresh, known]) == {event_id for event_id, _ in fresh}
    with sessions.begin() as session:
        assert first_time(session, [*fresh, known]) == set()


def test_what_is_past_its_keeping_time_is_dropped_in_chunks(
    monkeypatch: pytest.MonkeyPatch, sessions: Sessions, registered: Registered
) -> None:
    monkeypatch.setattr(room, "PURGE_CHUNK", 2)
    with sessions.begin() as session:
        say(session, *(registered() for _ in range(6)))
        seqs = [row.seq for row in unsent(session, 9)]
        mark_sent(session, seqs[:5])
        old = now() - room.KEEP_SENT - timedelta(minutes=1)
        session.execute(update(outbox).where(outbox.c.seq.in_(seqs[:3])).values(published_at=old))
        session.execute(update(outbox).values(created_at=old))
        ids = [(new_id(), "user.registered") for _ in range(3)]
        first_time(session, ids)
        long_ago = now() - room.KEEP_HEARD - timedelta(minutes=1)
        session.execute(update(inbox).where(inbox.c.event_id != ids[0][0]).values(heard_at=long_ago))
    counts = []
    for table in (outbox, outbox, outbox, inbox, inbox):
        with sessions.begin() as session:
            counts.append(purge(session, table))
    assert counts == [2, 1, 0, 2, 0]
    with sessions.begin() as session:
        assert len(session.execute(select(outbox)).all()) == 3
        assert first_time(session, ids) == {ids[1][0], ids[2][0]}
