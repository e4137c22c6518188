"""What was mailed is nowhere else: in no table, no message, no log line."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import MetaData, create_engine, select, update

from auth.models import Challenge, Guesses, Purpose, compared
from auth.tidying import tidy
from common.clock import now
from common.database import Sessions
from common.testing.broker import Broker

from .conftest import PASSWORD, Person, Postman, refused


def everything_stored(database_url: str) -> str:
    """Each value of each table of the schema."""
    engine, found = create_engine(database_url), MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        rows = [tuple(row) for table in found.tables.values() for row in connection.execute(select(table))]
    engine.dispose()
    return repr(rows)


def test_codes_and_tokens_are_stored_said_and_logged_nowhere(
    client: httpx.Client,
    ada: Person,
    postman: Postman,
    database_url: str,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tap = broker.tap()
    for path in ("request-otp/", "password-reset/"):
        client.post(f"/api/auth/{path}", json={"email": ada.email})
    secrets = {purpose: postman.secret(ada.email, purpose) for purpose in Purpose}
    code = secrets.pop(Purpose.SIGN_IN)
    wrong = {"email": ada.email, "otp": f"{(int(code) + 1) % 10**6:06d}"}
    refused(client.post("/api/auth/verify-otp/", json=wrong), 400, "invalid_otp")
    said = str(broker.letters(tap, 2))
    stored, logged = everything_stored(database_url), str([record.__dict__ for record in caplog.records])
    for purpose, secret in secrets.items():
        assert secret not in stored + said + logged, purpose
    assert f"'{code}'" not in stored
    assert f'"{code}"' not in said
    assert f"'{code}'" not in logged
    assert "code_refused" in logged, "the log was looked at"
    for secret in (PASSWORD, ada.access_token, ada.refresh_token):
        assert secret not in stored + said + logged


def test_old_challenges_and_guesses_are_tidied_away_and_young_ones_stay(
    client: httpx.Client, ada: Person, ben: Person, postman: Postman, sessions: Sessions
) -> None:
    for person in (ada, ben):
        client.post("/api/auth/request-otp/", json={"email": person.email})
    postman.age(ada.email, timedelta(days=2))
    with sessions.begin() as session:
        old = [row.door for row in session.scalars(select(Guesses))]
        aged = {"updated_at": now() - timedelta(days=2), "failures": 19}
        session.execute(update(Guesses).where(Guesses.door.in_(old)).values(aged))
    client.post("/api/auth/login/", json={"username": ben.form["username"], "password": "wrong"})
    tidy(sessions)
    with sessions.begin() as session:
        kept = set(session.scalars(select(Challenge.email_key)))
        assert compared(ada.email) not in kept
        assert compared(ben.email) in kept
        left = {row.door for row in session.scalars(select(Guesses))}
    assert left
    assert not left & set(old)
