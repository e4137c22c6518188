"""The database's tests: every wait has an end, and only what may be repeated is repeated."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import Column, Engine, String, Table, create_engine, insert, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from common import pooling
from common.database import (
    EXACT,
    TABLE_OPTIONS,
    LostRace,
    Sessions,
    UtcDateTime,
    Uuid,
    affected,
    error_number,
    is_conflict,
    is_gone,
    new_engine,
    new_metadata,
    ping,
    retried,
)
from common.ids import made_at, new_id, parse_id
from common.outbox import inbox, outbox
from common.testing.proxy import Proxy


def refused(number: int) -> OperationalError:
    return OperationalError("SELECT 1", {}, Exception(number, "refused"))


def test_a_session_reads_committed_and_waits_three_seconds_for_a_row(sessions: Sessions) -> None:
    with sessions.begin() as session:
        level = session.connection().get_isolation_level()
        wait, zone, strict = session.execute(
            text("SELECT @@innodb_lock_wait_timeout, @@session.time_zone, @@sql_mode")
        ).one()
    assert level == "READ COMMITTED"
    assert (wait, zone) == (3, "+00:00")
    assert "STRICT_TRANS_TABLES" in strict


def test_a_row_that_stays_locked_is_given_up_after_three_seconds(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(text("INSERT INTO stock VALUES (1, 0)"))
    with sessions.begin() as holder:
        holder.execute(text("UPDATE stock SET count = 1 WHERE id = 1"))
        started = time.monotonic()
        with pytest.raises(OperationalError) as failed, sessions.begin() as session:
            session.execute(text("UPDATE stock SET count = 2 WHERE id = 1"))
    assert time.monotonic() - started > 2.5
    assert error_number(failed.value) == 1205
    assert is_conflict(failed.value)
    assert not is_gone(failed.value)


@pytest.mark.unit
@pytest.mark.parametrize("error", [*map(refused, (1020, 1205, 1213, 3572)), LostRace()])
def test_a_lost_conflict_is_run_again_three_times_at_most(error: Exception) -> None:
    tries: list[int] = []

    @retried
    def work(good_at: int) -> str:
        tries.append(1)
        if len(tries) < good_at:
            raise error
        return "done"

    assert work(4) == "done"
    assert len(tries) == 4
    tries.clear()
    with pytest.raises(type(error)):
        work(9)
    assert len(tries) == 4


@pytest.mark.unit
@pytest.mark.parametrize("error", [*map(refused, (2013, 2006, 2003, 1062, 4025)), ValueError(), PoolTimeout()])
def test_what_may_have_happened_is_never_repeated(error: Exception) -> None:
    tries: list[int] = []

    @retried
    def work() -> None:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        work()
    assert len(tries) == 1


def test_two_that_deadlock_both_come_through(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(text("INSERT INTO stock VALUES (1, 0), (2, 0)"))
    meet = threading.Barrier(2)
    tries: list[int] = []

    @retried
    def cross(first: int, second: int) -> None:
        with sessions.begin() as session:
            session.execute(text("UPDATE stock SET count = count + 1 WHERE id = :id"), {"id": first})
            tries.append(first)
            if tries.count(first) == 1:
                meet.wait(10)
            session.execute(text("UPDATE stock SET count = count + 1 WHERE id = :id"), {"id": second})

    threads = [threading.Thread(target=cross, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3
    with sessions.begin() as session:
        assert list(session.scalars(text("SELECT count FROM stock"))) == [2, 2]


def lose(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("it went well")


def test_a_database_that_went_away_is_known_as_gone_and_comes_back(
    database_url: str, door: Callable[[str], Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "REST_S", 0)
    way = door(database_url)
    engine = new_engine(way.through(database_url), pool_size=2)
    ping(engine)
    way.shut()
    for _ in range(2):
        assert is_gone(lose(lambda: ping(engine)))
    way.open()
    ping(engine)
    way.cut()
    ping(engine)  # the pool looks before it hands out a connection that has rested
    engine.dispose()


def test_a_connection_that_is_killed_within_a_transaction_is_known_as_gone(
    engine: Engine, kill: Callable[[int], None]
) -> None:
    with engine.connect() as connection:
        kill(connection.execute(text("SELECT CONNECTION_ID()")).scalar_one())
        error = lose(lambda: connection.execute(text("SELECT 1")))
        assert is_gone(error)
        assert not is_conflict(error)
        connection.invalidate()


def test_a_database_that_does_not_answer_ends_the_wait(database_url: str, door: Callable[[str], Proxy]) -> None:
    way = door(database_url)
    engine = new_engine(way.through(database_url), read_timeout_s=1)
    ping(engine)
    way.jam()
    assert is_gone(lose(lambda: ping(engine)))
    engine.dispose()


def test_a_pool_waits_a_second_for_a_free_connection(database_url: str) -> None:
    engine = new_engine(database_url, pool_size=1)
    held = [engine.connect() for _ in range(5)]
    started = time.monotonic()
    assert is_gone(lose(lambda: ping(engine)))
    assert time.monotonic() - started > 0.8
    for connection in held:
        connection.close()
    engine.dispose()


@pytest.mark.unit
def test_a_refused_statement_is_neither_gone_nor_a_conflict() -> None:
    for error in (refused(1062), refused(4025), refused(1146), ValueError(), OperationalError("x", {}, Exception())):
        assert not is_gone(error)
        assert not is_conflict(error)


THINGS = Table(
    "things",
    new_metadata(),
    Column("id", Uuid, primary_key=True),
    Column("at", UtcDateTime),
    Column("sku", String(20, EXACT), index=True),
    **TABLE_OPTIONS,
)


@pytest.fixture
def things(engine: Engine) -> Table:
    """A table of all our column types."""
    THINGS.metadata.drop_all(engine)
    THINGS.metadata.create_all(engine)
    return THINGS


def test_ids_and_times_come_back_as_they_went_in(things: Table, sessions: Sessions) -> None:
    number = new_id()
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with sessions.begin() as session:
        session.execute(
            insert(things), [{"id": number, "at": moment, "sku": "a"}, {"id": new_id(), "at": None, "sku": None}]
        )
    with sessions.begin() as session:
        row = session.execute(select(things).where(things.c.id == number)).one()
        raw = session.execute(text("SELECT id, at FROM things WHERE sku = 'a'")).one()
        empty = session.scalars(select(things.c.at).where(things.c.sku.is_(None))).one()
    assert (row.id, row.at, empty) == (number, moment, None)
    assert row.at.tzinfo == UTC
    assert raw.id == number.bytes
    assert raw.at == datetime(2026, 1, 1, 21, 34, 5, 678901)  # noqa: DTZ001


def test_an_exact_column_is_compared_to_the_letter(things: Table, sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(insert(things), [{"id": new_id(), "sku": sku} for sku in ("Ab-1", "ab-1", "äb-1")])
        assert session.scalars(select(things.c.sku).where(things.c.sku == "ab-1")).all() == ["ab-1"]


def test_affected_counts_the_rows_that_were_found(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(text("INSERT INTO stock VALUES (1, 0), (2, 0)"))
        assert affected(session.execute(text("UPDATE stock SET count = 0"))) == 2
        assert affected(session.execute(text("UPDATE stock SET count = 0 WHERE id > 5"))) == 0


def test_the_shared_tables_are_made_as_described(engine: Engine) -> None:
    seen = inspect(engine)
    for table in (outbox, inbox):
        assert {column["name"] for column in seen.get_columns(table.name)} == set(table.c.keys())
        options = seen.get_table_options(table.name)
        assert options["mysql_collate"] == "utf8mb4_unicode_520_ci"
    assert {index["name"] for index in seen.get_indexes("outbox")} == {"ix_outbox_unsent", "uq_outbox_event_id"}


def test_a_session_keeps_its_objects_readable_after_the_commit(sessions: Sessions) -> None:
    assert sessions.kw["expire_on_commit"] is False
    session = sessions()
    assert isinstance(session, Session)
    session.close()


@pytest.mark.unit
def test_ids_are_ordered_by_the_time_of_their_making() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert {number.version for number in made} == {7}


@pytest.mark.unit
@pytest.mark.parametrize("words", ["", "5", "x" * 36, "0190d9a0-0000-7000-8000-00000000000", "\x00"])
def test_what_cannot_be_an_id_is_none(words: str) -> None:
    assert parse_id(words) is None
    assert parse_id("0190d9a0-0000-7000-8000-000000000000") == UUID("0190d9a0-0000-7000-8000-000000000000")


@pytest.mark.unit
@pytest.mark.unit
def test_a_node_outside_its_cluster_is_gone() -> None:
    assert is_gone(refused(1047))


def test_a_server_that_is_not_there_is_gone() -> None:
    engine = create_engine("mysql+pymysql://nobody@127.0.0.1:1/x")
    assert is_gone(lose(lambda: ping(engine)))
    engine.dispose()


@pytest.mark.unit
def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)
    made = made_at(new_id())
    assert made is not None
    assert before - timedelta(milliseconds=1) <= made <= datetime.now(UTC)
    assert made_at(UUID(int=5)) is None
