"""The pool's tests: what a transaction costs beside its own statements, and that nothing of it is left behind."""

import gc
import ssl
from collections.abc import Iterator

import pymysql
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from common import pooling
from common.database import Sessions, is_gone, new_engine, new_sessions, ping


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """One connection, which everyone uses in turn."""
    engine = new_engine(database_url, pool_size=1)
    yield engine
    engine.dispose()


def questions(sessions: Sessions) -> int:
    """How many statements the connection has sent so far, with this one."""
    with sessions.begin() as session:
        return int(session.execute(text("SHOW SESSION STATUS LIKE 'Questions'")).one()[1])


def test_a_transaction_costs_its_statements_and_its_end(engine: Engine) -> None:
    sessions = new_sessions(engine)
    before = questions(sessions)
    assert questions(sessions) == before + len(["COMMIT", "SHOW"])


def test_many_connections_read_no_certificates(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """48 ms of CPU each."""
    monkeypatch.setattr(ssl, "create_default_context", None)
    engine = new_engine(database_url)
    with engine.connect() as one, engine.connect() as other:
        assert one.scalar(text("SELECT 1")) == other.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_whoever_names_an_authority_has_the_database_checked_against_it() -> None:
    url = "mysql+pymysql://nobody@127.0.0.1:1/x?ssl_ca=/nowhere/ca.pem"
    with pytest.raises(FileNotFoundError), new_engine(url).connect():
        pass


def kill(engine: Engine, number: int) -> None:
    with engine.connect() as connection:
        connection.execute(text(f"KILL {number}"))


def own_number(engine: Engine) -> int:
    with engine.connect() as connection:
        number: int = connection.execute(text("SELECT CONNECTION_ID()")).scalar_one()
        return number


def test_a_connection_is_asked_whether_it_lives_only_once_it_has_rested(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_engine(database_url)
    monkeypatch.setattr(pooling, "REST_S", 3600)
    kill(other, own_number(engine))
    with pytest.raises(DBAPIError) as failed:
        ping(engine)
    assert is_gone(failed.value)
    ping(engine)
    monkeypatch.setattr(pooling, "REST_S", 0)
    kill(other, own_number(engine))
    ping(engine)
    other.dispose()


def test_what_nobody_has_ended_is_rolled_back(engine: Engine, sessions: Sessions) -> None:
    connection = engine.connect()
    connection.execute(text("INSERT INTO stock VALUES (1, 0)"))
    del connection
    gc.collect()
    ping(engine)
    assert left(sessions) == []


def test_what_could_not_be_committed_is_rolled_back(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise pymysql.err.OperationalError(1205, "no end of the waiting for a backup's lock")

    with monkeypatch.context() as broken, new_sessions(engine)() as session:
        broken.setattr(engine.dialect, "do_commit", refuse)
        session.execute(text("INSERT INTO stock VALUES (1, 0)"))
        with pytest.raises(OperationalError):
            session.commit()
    assert left(sessions) == []


def left(sessions: Sessions) -> list[int]:
    with sessions.begin() as session:
        return list(session.scalars(text("SELECT id FROM stock FOR UPDATE")))
