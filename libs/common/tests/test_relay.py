"""The relay's tests: what is committed leaves, in order, whatever breaks on the way."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.orm import Session

from common import broker as brokers
from common import outbox, relay
from common.broker import dead_letter_name, queue_name
from common.consumer import Consumer, one_by_one
from common.database import Sessions, new_engine, new_sessions
from common.events.auth import UserRegistered
from common.ids import new_id
from common.outbox import outbox as table
from common.outbox import say
from common.relay import Relay
from common.running import Background
from common.testing.broker import Broker
from common.testing.proxy import Proxy
from common.testing.waiting import eventually

Keep = Callable[[Background], Any]
Registered = Callable[..., UserRegistered]
Rows = Callable[[], Sequence[Any]]


@pytest.fixture
def rows(sessions: Sessions) -> Rows:
    """The outbox as it stands."""

    def read() -> Sequence[Any]:
        with sessions.begin() as session:
            return session.execute(select(table).order_by(table.c.seq)).all()

    return read


@pytest.fixture
def tell(sessions: Sessions) -> Callable[..., None]:
    """Says events in one transaction."""

    def commit(*events: UserRegistered) -> None:
        with sessions.begin() as session:
            say(session, *events)

    return commit


def all_sent(rows: Rows) -> bool:
    return all(row.published_at is not None for row in rows())


def leader(engine: Engine) -> int | None:
    """The connection that holds the relay's lock."""
    with engine.connect() as connection:
        number = connection.execute(text("SELECT IS_USED_LOCK(CONCAT('stoa.relay.', DATABASE()))")).scalar()
        return None if number is None else int(number)


@pytest.fixture
def relayed(engine: Engine, sessions: Sessions, broker: Broker, keep: Keep) -> Relay:
    """A relay that leads."""
    work = Relay("toys", broker.url, engine, sessions)
    keep(work)
    eventually(lambda: leader(engine))
    return work


def test_an_event_leaves_with_the_wake_up_of_its_commit(
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    sessions: Sessions,
    broker: Broker,
    keep: Keep,
    registered: Registered,
    tell: Callable[..., None],
) -> None:
    monkeypatch.setattr(relay, "POLL_S", 600)
    tap = broker.tap("user.registered")
    keep(Relay("toys", broker.url, engine, sessions))
    tell(registered(name="before the relay led"))
    assert broker.take(tap, 1)[0]["data"]["username"] == "before the relay led"
    for name in ("first", "second"):
        tell(registered(name=name))
        assert broker.take(tap, 1)[0]["data"]["username"] == name


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> list[int]:
    """How many rows each look of a relay of this engine finds; there is none without a reason, and a window is two."""
    found: list[int] = []
    unsent = outbox.unsent

    def look(session: Session, *asked: Any) -> list[outbox.Unsent]:
        rows = unsent(session, *asked)
        if session.get_bind() is engine:
            found.append(len(rows))
        return rows

    monkeypatch.setattr(outbox, "unsent", look)
    monkeypatch.setattr(relay, "POLL_S", 3600.0)
    monkeypatch.setattr(relay, "WINDOW", 2)
    return found


def test_after_a_window_that_was_not_full_nothing_is_looked_for(
    looks: list[int], relayed: Relay, tell: Callable[..., None], registered: Registered, rows: Rows
) -> None:
    eventually(lambda: looks == [0])
    for number in (1, 2):
        tell(registered())
        eventually(lambda number=number: len(rows()) == number and all_sent(rows))  # type: ignore[misc]
    assert looks == [0, 1, 1]


def test_after_a_full_window_the_next_follows(
    looks: list[int], relayed: Relay, tell: Callable[..., None], registered: Registered, rows: Rows
) -> None:
    eventually(lambda: looks == [0])
    tell(*(registered() for _ in range(5)))
    eventually(lambda: len(rows()) == 5 and all_sent(rows))
    assert looks == [0, 2, 2, 1]


def test_an_envelope_carries_what_the_contract_names(
    relayed: Relay, broker: Broker, registered: Registered, tell: Callable[..., None], rows: Rows
) -> None:
    tap = broker.tap("user.registered")
    event = registered(version=7)
    tell(event)
    envelope = broker.take(tap, 1)[0]
    assert envelope["id"] == str(rows()[0].event_id)
    assert (envelope["specversion"], envelope["type"], envelope["source"]) == (
        "1.0",
        "user.registered",
        "/services/auth",
    )
    assert (envelope["subject"], envelope["sequence"], envelope["dataversion"]) == (str(event.user_id), 7, 1)
    assert envelope["data"]["email"] == "ada@example.org"


def test_a_transaction_that_is_rolled_back_says_nothing(
    relayed: Relay, broker: Broker, sessions: Sessions, registered: Registered, tell: Callable[..., None], rows: Rows
) -> None:
    tap = broker.tap("user.registered")
    session = sessions()
    say(session, registered(name="never"))
    session.rollback()
    session.close()
    tell(registered(name="surely"))
    assert broker.take(tap, 1)[0]["data"]["username"] == "surely"
    eventually(lambda: all_sent(rows))
    assert len(rows()) == 1
    assert broker.size(tap) == 0


def test_order_is_kept_within_a_subject_whoever_writes(
    relayed: Relay, broker: Broker, sessions: Sessions, registered: Registered
) -> None:
    tap = broker.tap("user.registered")
    people = {number: new_id() for number in range(1, 6)}
    with sessions.begin() as session:
        session.execute(text("INSERT INTO stock VALUES (1,0),(2,0),(3,0),(4,0),(5,0)"))

    def write(offset: int) -> None:
        for step in range(25):
            number = (step + offset) % 5 + 1
            with sessions.begin() as session:
                session.execute(text("UPDATE stock SET count = count + 1 WHERE id = :id"), {"id": number})
                version = session.scalar(text("SELECT count FROM stock WHERE id = :id"), {"id": number})
                say(session, registered(people[number], version))

    writers = [threading.Thread(target=write, args=(offset,)) for offset in range(8)]
    for writer in writers:
        writer.start()
    heard: dict[str, list[int]] = defaultdict(list)
    for envelope in broker.take(tap, 200):
        heard[envelope["subject"]].append(envelope["sequence"])
    for writer in writers:
        writer.join()
    assert heard == {str(person): list(range(1, 41)) for person in people.values()}


def test_of_two_relays_one_leads_and_the_other_takes_over(
    monkeypatch: pytest.MonkeyPatch,
    relayed: Relay,
    engine: Engine,
    broker: Broker,
    database_url: str,
    keep: Keep,
    kill: Callable[[int], None],
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    monkeypatch.setattr(relay, "LEASE_POLL_S", 0.05)
    tap = broker.tap("user.registered")
    first = leader(engine)
    other = new_engine(database_url)
    keep(Relay("toys", broker.url, other, new_sessions(other)))
    tell(*(registered(name=str(number)) for number in range(50)))
    assert {envelope["data"]["username"] for envelope in broker.take(tap, 50)} == set(map(str, range(50)))
    eventually(lambda: all_sent(rows))
    assert broker.size(tap) == 0, "both relays have sent"
    assert leader(engine) == first
    assert first is not None
    kill(first)
    assert eventually(lambda: leader(engine)) != first
    tell(registered(name="after"))
    assert broker.take(tap, 1)[0]["data"]["username"] == "after"


def test_a_relay_that_lost_its_lock_lets_go(
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    sessions: Sessions,
    broker: Broker,
    keep: Keep,
    kill: Callable[[int], None],
) -> None:
    monkeypatch.setattr(relay, "LEASE_CHECK_S", 0.05)
    keep(Relay("toys", broker.url, engine, sessions))
    first = eventually(lambda: leader(engine))
    assert first is not None
    kill(first)
    assert eventually(lambda: (now := leader(engine)) is not None and now != first)


def test_rows_wait_for_a_broker_that_is_away_and_leave_afterwards(
    engine: Engine,
    sessions: Sessions,
    broker: Broker,
    keep: Keep,
    door: Callable[[str], Proxy],
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    tap = broker.tap("user.registered")
    way = door(broker.url)
    way.shut()
    keep(Relay("toys", way.through(broker.url), engine, sessions))
    person = new_id()
    tell(*(registered(person, version) for version in range(1, 4)))
    way.open()
    assert [envelope["sequence"] for envelope in broker.take(tap, 3)] == [1, 2, 3]
    eventually(lambda: all_sent(rows))
    way.shut()
    tell(*(registered(person, version) for version in range(4, 7)))
    assert not all_sent(rows)
    way.open()
    assert [envelope["sequence"] for envelope in broker.take(tap, 3)] == [4, 5, 6]
    eventually(lambda: all_sent(rows))
    assert [row.attempts for row in rows()] == [0] * 6


def test_a_connection_that_dies_while_confirms_are_awaited_loses_nothing(
    engine: Engine,
    sessions: Sessions,
    broker: Broker,
    keep: Keep,
    door: Callable[[str], Proxy],
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    tap = broker.tap("user.registered")
    way = door(broker.url)
    kept = keep(Relay("toys", way.through(broker.url), engine, sessions))
    eventually(lambda: leader(engine))
    for round_ in range(3):
        tell(registered(name=f"{round_} before"))
        broker.take(tap, 1)
        eventually(lambda: all_sent(rows))
        way.jam()
        tell(*(registered(name=f"{round_} during") for _ in range(20)))
        eventually(lambda: way.held)
        way.cut()
        way.release()
        assert len(broker.take(tap, 20)) == 20
        eventually(lambda: all_sent(rows))
    assert kept.alive
    assert {row.attempts for row in rows()} == {0}


def test_a_broker_that_confirms_nothing_for_long_parks_nothing(
    monkeypatch: pytest.MonkeyPatch,
    relayed: Relay,
    broker: Broker,
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    monkeypatch.setattr("common.running.LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr("common.running.FIRST_PAUSE_S", 0.01)
    real = relay.publish
    failures: list[str] = []

    async def alarmed(channel: Any, exchange: str, routing_key: str, *args: Any, **kwargs: Any) -> None:
        if len(failures) < relay.PARK_AFTER + 2:
            failures.append(routing_key)
            raise ConnectionError("no confirm within 5 s")
        await real(channel, exchange, routing_key, *args, **kwargs)

    monkeypatch.setattr(relay, "publish", alarmed)
    tell(registered())
    eventually(lambda: all_sent(rows))
    assert len(failures) > relay.PARK_AFTER
    assert [(row.attempts, row.parked_at) for row in rows()] == [(0, None)]


@pytest.mark.parametrize("state", ["shut", "jammed", "never reached"])
def test_a_process_can_stop_while_the_broker_is_away(
    engine: Engine, sessions: Sessions, broker: Broker, keep: Keep, door: Callable[[str], Proxy], state: str
) -> None:
    way = door(broker.url)
    if state == "never reached":
        way.jam()
    kept = keep(Relay("toys", way.through(broker.url), engine, sessions))
    eventually(lambda: way.held if state == "never reached" else leader(engine))
    if state == "shut":
        way.shut()
    else:
        way.jam()
    kept.stop()
    assert not kept.alive


def row(subject: str, kind: str = "user.registered") -> dict[str, Any]:
    """An outbox row made by hand."""
    event_id = new_id()
    envelope = {"id": str(event_id), "type": kind, "subject": subject, "data": {}}
    values = {"event_id": event_id, "type": kind, "subject": subject, "sequence": 1, "envelope": envelope}
    return values | {"created_at": relay.outbox.now()}


def test_a_row_that_is_refused_holds_up_only_its_subject_and_is_parked_after_ten_tries(
    monkeypatch: pytest.MonkeyPatch,
    relayed: Relay,
    broker: Broker,
    sessions: Sessions,
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    monkeypatch.setattr(relay, "FIRST_REST_S", 0.001)
    monkeypatch.setattr(relay, "POLL_S", 0.01)
    monkeypatch.setattr(relay, "is_heard", lambda _: True)
    tap = broker.tap("user.registered")
    bad = row("stuck", "nobody.hears")
    with sessions.begin() as session:
        session.execute(insert(table), [bad, row("stuck"), row("other")])
        session.info[outbox.SAID] = True
    assert [letter["subject"] for letter in broker.take(tap, 1)] == ["other"]
    for name in ("one", "two", "three"):
        tell(registered(name=name))
        assert broker.take(tap, 1)[0]["data"]["username"] == name
    parked = eventually(lambda: next((r for r in rows() if r.parked_at is not None), None))
    assert parked is not None
    assert (parked.event_id, parked.attempts) == (bad["event_id"], relay.PARK_AFTER)
    tell(registered(name="still going"))
    assert broker.take(tap, 1)[0]["data"]["username"] == "still going"
    eventually(lambda: [r.subject for r in rows() if r.published_at is None] == ["stuck", "stuck"])

    with sessions.begin() as session:
        mended = row("stuck")
        session.execute(
            update(table)
            .where(table.c.seq == parked.seq)
            .values(type=mended["type"], envelope=mended["envelope"], parked_at=None, attempts=0)
        )
    assert [letter["subject"] for letter in broker.take(tap, 2)] == ["stuck", "stuck"]
    eventually(lambda: all_sent(rows))


def test_a_channel_that_the_broker_closes_is_opened_again(
    relayed: Relay, broker: Broker, registered: Registered, tell: Callable[..., None], rows: Rows
) -> None:
    with broker._connection() as connection:
        connection.channel().exchange_delete(brokers.EXCHANGE)
    tell(*(registered() for _ in range(5)))
    eventually(lambda: all_sent(rows))
    assert len(broker.take(queue_name("toys"), 5)) == 5
    assert {r.attempts for r in rows()} == {0}


def test_a_queue_that_was_deleted_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
    relayed: Relay,
    broker: Broker,
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    tell(registered(name="early"))
    eventually(lambda: all_sent(rows))  # so the relay has made all queues, and makes no more unless it has to
    for service in ("toys", "shelf"):
        broker.drop(queue_name(service))
    tell(registered(name="patient"))
    eventually(lambda: all_sent(rows))
    assert broker.take(queue_name("shelf"), 1)[0]["data"]["username"] == "patient"


def test_what_was_sent_but_not_marked_is_sent_again_and_counts_once(
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    sessions: Sessions,
    broker: Broker,
    keep: Keep,
    effects: Callable[[], list[str]],
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    real = outbox.mark_sent
    marks: list[Sequence[int]] = []

    def die_first(session: Any, seqs: Sequence[int]) -> None:
        marks.append(seqs)
        if len(marks) == 1:
            raise OSError("the process has died here")
        real(session, seqs)

    monkeypatch.setattr(outbox, "mark_sent", die_first)
    tap = broker.tap("user.registered")
    keep(Consumer("toys", broker.url, sessions, one_by_one({UserRegistered: count_name})))
    keep(Relay("toys", broker.url, engine, sessions))
    tell(registered(name="once"))
    first, second = broker.take(tap, 2)
    assert first["id"] == second["id"]
    eventually(lambda: all_sent(rows))
    tell(registered(name="marker"))
    eventually(lambda: "marker" in effects())
    assert effects() == ["once", "marker"]
    assert broker.size(dead_letter_name("toys")) == 0


def count_name(session: Any, event: UserRegistered) -> None:
    session.execute(text("INSERT INTO effects (what) VALUES (:what)"), {"what": event.username})


def test_an_event_waits_for_a_service_that_has_never_run(
    relayed: Relay, broker: Broker, registered: Registered, tell: Callable[..., None], rows: Rows
) -> None:
    person = new_id()
    tell(registered(person))
    eventually(lambda: all_sent(rows))
    assert UUID(broker.take(queue_name("shelf"), 1)[0]["subject"]) == person


def test_an_event_that_nobody_hears_leaves_all_the_same(relayed: Relay, sessions: Sessions, rows: Rows) -> None:
    with sessions.begin() as session:
        session.execute(insert(table), [row("quiet", "nobody.hears")])
    eventually(lambda: all_sent(rows))


def test_a_commit_after_the_relays_end_is_a_commit(
    engine: Engine,
    sessions: Sessions,
    broker: Broker,
    keep: Keep,
    registered: Registered,
    tell: Callable[..., None],
    rows: Rows,
) -> None:
    kept = keep(Relay("toys", broker.url, engine, sessions))
    eventually(lambda: leader(engine))
    kept.stop()
    tell(registered())
    assert [row.published_at for row in rows()] == [None]
