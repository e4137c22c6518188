"""The consumer's tests: every event has one effect, whatever is sent twice, broken or away."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common import consumer as consumers
from common import outbox
from common.broker import (
    DELAYS_S,
    connect,
    dead_letter_name,
    declare_delays,
    declare_events,
    delay_name,
    disconnect,
    queue_name,
)
from common.consumer import ATTEMPT, After, Consumer, Handle, NotYet, one_by_one
from common.database import LostRace, Sessions, new_engine, new_sessions
from common.errors import Unavailable
from common.events import Event
from common.events.auth import UserRegistered
from common.heard import envelopes
from common.ids import new_id
from common.running import Background
from common.testing.broker import Broker
from common.testing.proxy import Proxy
from common.testing.waiting import eventually, somebody_waits

Keep = Callable[[Background], Any]
Registered = Callable[..., UserRegistered]
Effects = Callable[[], list[str]]
Hear = Callable[..., Any]

QUEUE = queue_name("toys")
DEAD = dead_letter_name("toys")


@pytest.fixture
def broker(broker: Broker) -> Broker:
    """A virtual host whose queues are there before anybody listens."""

    async def lay_out(url: str) -> None:
        connection = await connect(url, "layout")
        channel = await connection.channel()
        await declare_events(channel)
        await declare_delays(channel)
        await disconnect(connection)

    asyncio.run(lay_out(broker.url))
    return broker


@pytest.fixture
def hear(broker: Broker, sessions: Sessions, keep: Keep) -> Hear:
    """Starts a consumer whose handler gets one event at a time."""

    def start(
        handler: Callable[[Session, UserRegistered], None],
        url: str = broker.url,
        sessions: Sessions = sessions,
        after: After | None = None,
    ) -> Any:
        return keep(Consumer("toys", url, sessions, one_by_one({UserRegistered: handler}), after))

    return start


def note(session: Session, event: UserRegistered) -> None:
    """The usual handler: one row per event."""
    session.execute(text("INSERT INTO effects (what) VALUES (:what)"), {"what": event.username})


def done(broker: Broker) -> None:
    """Everything has been taken and acknowledged: what the queue holds and has handed out comes to nothing."""
    eventually(lambda: broker.size(QUEUE) == 0)


def test_an_event_that_comes_several_times_counts_once(
    hear: Hear, broker: Broker, registered: Registered, effects: Effects
) -> None:
    broker.tell(registered(name="thrice"), times=3)
    hear(note)
    broker.tell(registered(name="once"))
    eventually(lambda: "once" in effects())
    done(broker)
    assert sorted(effects()) == ["once", "thrice"]


def test_a_handler_may_ask_for_the_envelopes_of_the_events_that_are_new(
    broker: Broker, sessions: Sessions, keep: Keep, registered: Registered, effects: Effects
) -> None:
    def hear(session: Session, events: Sequence[Event]) -> None:
        for event, envelope in zip(events, envelopes(session), strict=True):
            what = f"{envelope.id} {event.username}"  # type: ignore[attr-defined]
            session.execute(text("INSERT INTO effects (what) VALUES (:what)"), {"what": what})

    told = [broker.tell(registered(name=name), times=2) for name in ("one", "two")]
    keep(Consumer("toys", broker.url, sessions, hear))
    eventually(lambda: len(effects()) == 2)
    done(broker)
    assert effects() == [f"{envelope.id} {envelope.data['username']}" for envelope in told]


def test_two_replicas_that_get_the_same_event_have_one_effect(
    hear: Hear, broker: Broker, database_url: str, registered: Registered, effects: Effects, dead: Callable[[], int]
) -> None:
    for number in range(20):
        broker.tell(registered(name=str(number)), times=4)
    other = new_engine(database_url)
    kept = [hear(note), hear(note, sessions=new_sessions(other))]
    eventually(lambda: len(set(effects())) == 20)
    done(broker)
    for each in kept:
        each.stop()
    assert sorted(effects()) == sorted(map(str, range(20)))
    assert dead() == 0
    other.dispose()


@pytest.mark.parametrize("known", [0, 1])
def test_of_two_who_hear_an_event_at_the_same_moment_one_hears_it_first(sessions: Sessions, known: int) -> None:
    """The other waits and sees it then; when it had looked already, what it saw has changed and it loses the race."""
    event, *before = [(new_id(), "user.registered") for _ in range(1 + known)][::-1]
    seen: list[set[UUID] | LostRace] = []

    def second() -> None:
        try:
            with sessions.begin() as session:
                seen.append(outbox.first_time(session, [*before, event]))
        except LostRace as error:
            seen.append(error)

    with sessions.begin() as session:
        assert outbox.first_time(session, before) == {event_id for event_id, _ in before}
    with sessions.begin() as session:
        assert outbox.first_time(session, [event]) == {event[0]}
        rival = threading.Thread(target=second)
        rival.start()
        eventually(lambda: somebody_waits(sessions))
    rival.join()
    assert isinstance(seen[0], LostRace) if known else seen == [set()]
    with sessions.begin() as session:
        assert outbox.first_time(session, [event]) == set()


def test_a_poisonous_message_is_set_aside_and_its_neighbours_are_done(
    broker: Broker, sessions: Sessions, keep: Keep, registered: Registered, effects: Effects
) -> None:
    batches: list[int] = []

    def handle(session: Session, events: Sequence[Event]) -> None:
        batches.append(len(events))
        for event in events:
            assert isinstance(event, UserRegistered)
            note(session, event)
            if event.username == "poison":
                raise ZeroDivisionError("not edible")

    for number in range(40):
        broker.tell(registered(name="poison" if number == 25 else str(number)))
    keep(Consumer("toys", broker.url, sessions, handle))
    headers, body = broker.letters(DEAD, 1)[0]
    assert json.loads(body)["data"]["username"] == "poison"
    assert (headers["x-reason"], headers["x-detail"]) == ("ZeroDivisionError", "not edible")
    assert (headers["x-queue"], "x-dead-at" in headers) == (QUEUE, True)
    eventually(lambda: len(effects()) == 39)
    done(broker)
    assert sorted(effects()) == sorted(str(number) for number in range(40) if number != 25)
    assert broker.size(DEAD) == 0
    assert max(batches) > 1, "nothing was ever gathered"


def test_what_is_not_yet_possible_comes_back_from_the_delay_queue(
    hear: Hear, broker: Broker, registered: Registered, effects: Effects, dead: Callable[[], int]
) -> None:
    tries: list[float] = []

    def handler(session: Session, event: UserRegistered) -> None:
        note(session, event)
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise NotYet("the product is not known here")

    hear(handler)
    broker.tell(registered(name="patience"))
    eventually(lambda: effects() == ["patience"])
    assert tries[1] - tries[0] >= 0.9
    assert dead() == 0


def test_what_is_not_yet_possible_is_not_lost_where_its_delay_queue_was_deleted(
    hear: Hear, broker: Broker, registered: Registered, effects: Effects, dead: Callable[[], int]
) -> None:
    tries: list[str] = []

    def handler(session: Session, event: UserRegistered) -> None:
        note(session, event)
        tries.append(event.username)
        if len(tries) == 2:
            raise NotYet("the product is not known here")

    hear(handler)
    broker.tell(registered(name="early"))
    eventually(lambda: effects() == ["early"])  # so the consumer has made all, and makes no more unless it has to
    broker.drop(delay_name(DELAYS_S[0]))
    broker.tell(registered(name="patience"))
    eventually(lambda: effects() == ["early", "patience"])
    assert dead() == 0


def test_what_never_becomes_possible_ends_as_a_dead_letter_that_tells_its_tries(
    monkeypatch: pytest.MonkeyPatch, hear: Hear, broker: Broker, registered: Registered
) -> None:
    monkeypatch.setattr(consumers, "DELAYS_S", (1,))
    errors = {"NotYet": NotYet("later"), "Unavailable": Unavailable("auth is away"), "TimeoutError": TimeoutError()}
    tries: list[str] = []

    def handler(_: Session, event: UserRegistered) -> None:
        tries.append(event.username)
        raise errors[event.username]

    for name in errors:
        broker.tell(registered(name=name))
    kept = hear(handler)
    letters = broker.letters(DEAD, 3)
    kept.stop()
    for headers, body in letters:
        assert (headers[ATTEMPT], headers["x-reason"]) == (1, json.loads(body)["data"]["username"])
    assert all(tries.count(name) >= 2 for name in errors)


def envelope(**changed: Any) -> bytes:
    data = {"user_id": str(new_id()), "version": 1, "username": "ada", "email": "ada@example.org"}
    good = {
        "id": str(new_id()),
        "type": "user.registered",
        "source": "/services/auth",
        "time": "2026-01-01T00:00:00Z",
        "subject": "x",
        "sequence": 1,
        "data": data,
    }
    return json.dumps(good | changed).encode()


NOT_UNDERSTOOD = [
    (b"", "undecodable"),
    (b"not json", "undecodable"),
    (b"\xff\xfe\x00", "undecodable"),
    (b"[" * 10_000, "undecodable"),
    (b"null", "undecodable"),
    (b"{}", "undecodable"),
    (envelope(id="not an id"), "undecodable"),
    (envelope(data={"user_id": "5", "email": "secret@example.org"}), "undecodable"),
    (envelope(data="secret@example.org"), "undecodable"),
    (envelope(data=[]), "undecodable"),
    (envelope(type="user.abducted"), "unsupported"),
    (envelope(dataversion=2), "unsupported"),
]


def test_what_cannot_be_understood_is_a_dead_letter_at_once(
    hear: Hear, broker: Broker, registered: Registered, effects: Effects
) -> None:
    hear(note)
    for body, _ in NOT_UNDERSTOOD:
        broker.send(QUEUE, body, exchange="")
    letters = broker.letters(DEAD, len(NOT_UNDERSTOOD))
    buried = {kept if isinstance(kept, bytes) else kept.encode(): headers for headers, kept in letters}
    assert {body: headers["x-reason"] for body, headers in buried.items()} == dict(NOT_UNDERSTOOD)
    assert not any("@example.org" in headers["x-detail"] for headers in buried.values()), "nothing of it is repeated"
    broker.tell(registered(name="next"))
    eventually(lambda: effects() == ["next"])


def test_fields_that_are_new_are_ignored(hear: Hear, broker: Broker, effects: Effects) -> None:
    told = json.loads(envelope())
    told["data"]["favourite_colour"] = "green"
    told["mood"] = "good"
    broker.send(QUEUE, json.dumps(told).encode(), exchange="")
    hear(note)
    eventually(lambda: effects() == ["ada"])


def test_an_odd_attempt_header_does_no_harm(hear: Hear, broker: Broker) -> None:
    def handler(*_: object) -> None:
        raise ZeroDivisionError

    broker.send(QUEUE, envelope(), exchange="", headers={ATTEMPT: "many"})
    hear(handler)
    assert broker.letters(DEAD, 1)[0][0]["x-reason"] == "ZeroDivisionError"


def test_a_database_that_is_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    hear: Hear,
    broker: Broker,
    database_url: str,
    door: Callable[[str], Proxy],
    registered: Registered,
    effects: Effects,
    dead: Callable[[], int],
) -> None:
    monkeypatch.setattr(consumers, "DATABASE_PAUSE_S", 0.02)
    monkeypatch.setattr(consumers, "DELAYS_S", ())  # what is set aside instead of waiting is a dead letter
    away = counted(monkeypatch)
    way = door(database_url)
    engine = new_engine(way.through(database_url))
    hear(note, sessions=new_sessions(engine))
    broker.tell(registered(name="before"))
    eventually(lambda: effects() == ["before"])
    way.shut()
    for number in range(30):
        broker.tell(registered(name=str(number)))
    eventually(lambda: len(away) > 8)
    way.open()
    eventually(lambda: len(effects()) == 31)
    assert len(set(effects())) == 31
    assert dead() == 0
    engine.dispose()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every failed try of a batch from now on."""
    real = consumers.is_gone
    seen: list[str] = []

    def is_gone(error: BaseException) -> bool:
        seen.append(repr(error))
        return real(error)

    monkeypatch.setattr(consumers, "is_gone", is_gone)
    return seen


def test_an_event_that_cuts_its_own_connection_each_time_does_not_block_the_queue(
    monkeypatch: pytest.MonkeyPatch, hear: Hear, broker: Broker, registered: Registered, effects: Effects
) -> None:
    monkeypatch.setattr(consumers, "DATABASE_PAUSE_S", 0.01)
    monkeypatch.setattr(consumers, "DELAYS_S", ())

    def handler(session: Session, event: UserRegistered) -> None:
        if event.username == "killer":
            session.execute(text("KILL CONNECTION_ID()"))
        note(session, event)

    for name in ("first", "killer", "second"):
        broker.tell(registered(name=name))
    hear(handler)
    eventually(lambda: sorted(effects()) == ["first", "second"])
    assert broker.letters(DEAD, 1)[0][0]["x-reason"] == "OperationalError"


def test_a_killed_connection_comes_back(
    hear: Hear, broker: Broker, door: Callable[[str], Proxy], registered: Registered, effects: Effects
) -> None:
    way = door(broker.url)
    hear(note, url=way.through(broker.url))
    for round_ in range(3):
        broker.tell(registered(name=f"in round {round_}"))
        eventually(lambda: f"in round {round_}" in effects())  # noqa: B023
        way.cut()
    way.shut()
    broker.tell(registered(name="while away"))
    way.open()
    eventually(lambda: "while away" in effects())
    assert len(effects()) == 4


def test_a_queue_that_is_deleted_is_heard_again(
    hear: Hear, broker: Broker, registered: Registered, effects: Effects
) -> None:
    hear(note)
    broker.tell(registered(name="before"))
    eventually(lambda: effects() == ["before"])
    broker.drop(QUEUE)

    def told_again() -> bool:
        broker.tell(registered(name="after"))
        return "after" in effects()

    eventually(told_again)


def test_a_crash_between_commit_and_ack_counts_once(
    hear: Hear, broker: Broker, door: Callable[[str], Proxy], registered: Registered, effects: Effects
) -> None:
    way = door(broker.url)
    afters: list[int] = []

    def die_before_the_ack(_: object) -> None:
        afters.append(1)
        if len(afters) == 1:
            way.cut()

    for number in range(5):
        broker.tell(registered(name=str(number)))
    hear(note, url=way.through(broker.url), after=die_before_the_ack)
    eventually(lambda: len(afters) > 1 and len(effects()) == 5)
    broker.tell(registered(name="last"))
    eventually(lambda: "last" in effects())
    done(broker)
    assert sorted(effects()) == ["0", "1", "2", "3", "4", "last"]


def test_what_the_handler_returned_is_passed_on_once_it_is_committed(
    broker: Broker, sessions: Sessions, keep: Keep, registered: Registered, effects: Effects
) -> None:
    passed: list[object] = []

    def handle(session: Session, events: Sequence[Event]) -> str:
        one_by_one({UserRegistered: note})(session, events)
        return "handled"

    keep(Consumer("toys", broker.url, sessions, handle, lambda outcome: passed.append((outcome, effects()))))
    envelope = broker.tell(registered(name="one"))
    eventually(lambda: passed == [("handled", ["one"])])
    broker.send(envelope.type, envelope.encode(), message_id=str(envelope.id))
    eventually(lambda: passed == [("handled", ["one"]), (None, ["one"])])


def test_a_failing_hint_after_the_commit_does_no_harm(
    hear: Hear, broker: Broker, registered: Registered, effects: Effects, dead: Callable[[], int]
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    kept = hear(note, after=fail)
    for name in ("one", "two", "three"):
        broker.tell(registered(name=name))
        eventually(lambda: name in effects())  # noqa: B023
    kept.stop()
    assert broker.size(QUEUE) <= 1, "all but perhaps the last have been acknowledged"
    assert dead() == 0


def test_a_handler_that_loses_a_deadlock_is_run_again(
    monkeypatch: pytest.MonkeyPatch,
    hear: Hear,
    broker: Broker,
    sessions: Sessions,
    registered: Registered,
    effects: Effects,
    dead: Callable[[], int],
) -> None:
    monkeypatch.setattr(consumers, "DELAYS_S", ())
    with sessions.begin() as session:
        session.execute(text("INSERT INTO stock VALUES (1, 0), (2, 0)"))
    tries: list[str] = []
    rival_began, handler_holds = threading.Event(), threading.Event()

    def rival() -> None:
        with sessions.begin() as session:
            weight = [{"what": "rival"}] * 50  # the heavier transaction wins
            session.execute(text("INSERT INTO effects (what) VALUES (:what)"), weight)
            session.execute(text("UPDATE stock SET count = count + 1 WHERE id = 1"))
            rival_began.set()
            handler_holds.wait(10)
            session.execute(text("UPDATE stock SET count = count + 1 WHERE id = 2"))
            session.execute(text("DELETE FROM effects WHERE what = 'rival'"))

    def handler(session: Session, event: UserRegistered) -> None:
        tries.append(event.username)
        session.execute(text("UPDATE stock SET count = count + 10 WHERE id = 2"))
        if len(tries) == 1:
            handler_holds.set()
            eventually(lambda: somebody_waits(sessions))
        session.execute(text("UPDATE stock SET count = count + 10 WHERE id = 1"))
        note(session, event)

    other = threading.Thread(target=rival)
    other.start()
    rival_began.wait(10)
    hear(handler)
    broker.tell(registered(name="loser"))
    eventually(lambda: effects() == ["loser"])
    other.join()
    assert tries == ["loser", "loser"]
    assert dead() == 0
    with sessions.begin() as session:
        assert list(session.scalars(text("SELECT count FROM stock ORDER BY id"))) == [11, 11]


def test_a_batch_handler_gets_each_new_event_once_and_in_order(
    broker: Broker, sessions: Sessions, keep: Keep, registered: Registered
) -> None:
    seen: list[int] = []

    def handle(_: Session, events: Sequence[Event]) -> None:
        seen.extend(event.sequence for event in events)

    person = new_id()
    for version in range(1, 51):
        broker.tell(registered(person, version), times=2)
    given: Handle = handle
    keep(Consumer("toys", broker.url, sessions, given))
    eventually(lambda: len(seen) >= 50)
    done(broker)
    assert seen == list(range(1, 51))
