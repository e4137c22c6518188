"""A secret is in the mail and nowhere else: in no row, no queue and no line of a log, whatever has gone wrong."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, inspect, text, update

from common.broker import (
    DELAYS_S,
    brief_queue_name,
    connect,
    dead_letter_name,
    declare_delays,
    delay_name,
    disconnect,
    queue_name,
)
from common.clock import now
from common.database import Sessions
from common.events import Event
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.waiting import eventually
from notifier import tasks
from notifier.clients import Challenge
from notifier.mail import reason
from notifier.models import Notification, State
from notifier.settings import NotifierSettings

from .authority import Authority
from .conftest import working
from .desk import all_mails, text_of
from .postoffice import PostOffice
from .telling import code_requested, registered, reset_requested, updated

CODE, TOKEN = "QZDIGX", "q7Zc-1_tokentokentokentokentokentokentoken9"
"""Letters, since six digits may stand in any time of any row."""
JOBS = "notifier.jobs"
QUEUES = [queue_name("notifier"), brief_queue_name("notifier"), dead_letter_name("notifier"), JOBS]
QUEUES += [delay_name(seconds) for seconds in DELAYS_S]


@pytest.fixture
def settings(settings: NotifierSettings) -> NotifierSettings:
    return settings.model_copy(update={"log_level": "DEBUG"})


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that is logged by anyone, tracebacks included."""
    lines: list[str] = []
    handle = logging.Logger.handle

    def overhear(logger: logging.Logger, record: logging.LogRecord) -> None:
        lines.append(logging.Formatter().format(record))
        handle(logger, record)

    monkeypatch.setattr(logging.Logger, "handle", overhear)
    return lines


@pytest.fixture
def emptied(broker: Broker) -> None:
    """Queues without what other tests have left there."""
    asyncio.run(_declare_jobs(broker.url))
    queued(broker)


async def _declare_jobs(url: str) -> None:
    connection = await connect(url, "tests")
    channel = await connection.channel()
    await declare_delays(channel)
    await channel.declare_queue(JOBS, durable=True)
    await disconnect(connection)


def stored(engine: Engine) -> str:
    """All columns of all rows of all tables."""
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        assert {"notifications", "recipients", "inbox"} <= set(tables)
        rows = [row for table in tables for row in connection.execute(text(f"SELECT * FROM `{table}`"))]  # noqa: S608
    return "\n".join(repr(tuple(row)) for row in rows)


def queued(broker: Broker, *more: str) -> str:
    """All messages of all queues, with their headers; they are taken out."""
    return "\n".join(repr(broker.letters(queue, broker.size(queue))) for queue in (*QUEUES, *more))


def make_due(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(update(Notification).values(due_at=now()))


def code(_: UUID, challenge: UUID) -> Event:
    return code_requested(challenge)


def reset(_: UUID, challenge: UUID) -> Event:
    return reset_requested(challenge)


def check(user: UUID, challenge: UUID) -> Event:
    return registered(user, challenge=challenge)


def new_check(user: UUID, challenge: UUID) -> Event:
    return updated(user, 2, "Ada", challenge=challenge)


def failing_auth(_: PostOffice, authority: Authority, secret: str) -> None:
    authority.failing = (500, {"secret": secret})


def babbling_auth(_: PostOffice, authority: Authority, secret: str) -> None:
    authority.failing = (200, {"purpose": secret, "user_id": secret, "secret": secret, "expires_at": secret})


def quoting_office(code: int) -> Callable[[PostOffice, Authority, str], None]:
    def trouble(office: PostOffice, _: Authority, secret: str) -> None:
        office.data_reply = f"{code} we do not like <{secret}>".encode()

    return trouble


def closed_office(office: PostOffice, _: Authority, secret: str) -> None:
    office.open = False


def no_trouble(_: PostOffice, authority: Authority, secret: str) -> None:
    """All goes well."""


TROUBLES = [
    (no_trouble, State.SENT),
    (closed_office, State.QUEUED),
    (quoting_office(451), State.QUEUED),
    (quoting_office(554), State.FAILED),
    (failing_auth, State.QUEUED),
    (babbling_auth, State.QUEUED),
]
ALL_GOES_WELL = TROUBLES[:1]
KINDS = [
    (code, "sign_in", CODE, TROUBLES),
    (check, "email_check", TOKEN, TROUBLES),
    (new_check, "email_check", TOKEN, ALL_GOES_WELL),
    (reset, "password_reset", TOKEN, ALL_GOES_WELL),
]


@pytest.mark.parametrize(
    ("event", "purpose", "secret", "trouble", "outcome"),
    [(*kind, *trouble) for *kind, troubles in KINDS for trouble in troubles],
)
def test_a_secret_is_in_the_mail_and_nowhere_else(
    log_lines: list[str],
    emptied: None,
    client: TestClient,
    broker: Broker,
    engine: Engine,
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
    event: Callable[[UUID, UUID], Event],
    purpose: str,
    secret: str,
    trouble: Callable[[PostOffice, Authority, str], None],
    outcome: State,
) -> None:
    user, tap = new_id(), broker.tap()
    challenge = authority.challenge(purpose, secret, user)
    trouble(office, authority, secret)
    broker.tell(event(user, challenge))
    eventually(lambda: broker.size(JOBS) == 1)
    (mail,) = all_mails(sessions)
    tasks.send_mails([str(mail.id)])
    (mail,) = all_mails(sessions)
    assert (mail.attempts, mail.state) == (1, outcome)
    if outcome == State.QUEUED:  # once more into the workers' queue, after what has happened
        make_due(sessions)
        eventually(lambda: broker.size(JOBS) == 2)
    in_queues, in_tables = queued(broker, tap), stored(engine)
    assert str(challenge) in in_queues
    assert str(mail.id) in in_queues
    assert repr(challenge.bytes) in in_tables
    for place in (in_queues, in_tables, *log_lines):
        assert secret not in place
    if outcome == State.SENT:
        assert all(secret in text_of(office.mails[0], kind) for kind in ("plain", "html"))
    else:
        assert mail.error


def test_a_real_worker_does_not_tell_it_either(
    log_lines: list[str],
    client: TestClient,
    broker: Broker,
    sessions: Sessions,
    office: PostOffice,
    authority: Authority,
) -> None:
    quoting_office(451)(office, authority, CODE)
    challenge = authority.challenge("sign_in", CODE)
    with working():
        broker.tell(code_requested(challenge))
        eventually(lambda: [(mail.attempts, mail.state) for mail in all_mails(sessions)] == [(1, State.QUEUED)])
        authority.failing = (500, {"secret": CODE})
        make_due(sessions)
        eventually(lambda: [(mail.attempts, mail.state) for mail in all_mails(sessions)] == [(2, State.QUEUED)])
        office.data_reply, authority.failing = b"250 kept", None
        make_due(sessions)
        eventually(lambda: [mail.state for mail in all_mails(sessions)] == [State.SENT])
    in_log = "\n".join(log_lines)
    assert str(all_mails(sessions)[0].id) in in_log
    assert str(challenge) in in_log
    assert CODE not in in_log


def test_neither_a_challenge_nor_an_error_about_one_shows_its_secret() -> None:
    told = {"purpose": "sign_in", "user_id": new_id(), "email": "a@example.com", "name": "Ada", "secret": CODE}
    challenge = Challenge.model_validate(told | {"expires_at": now()})
    assert CODE not in repr(challenge) + str(challenge) + challenge.model_dump_json()
    with pytest.raises(ValueError, match="expires_at") as caught:
        Challenge.model_validate(told | {"expires_at": f"after {CODE}"})
    assert CODE not in str(caught.value)


def test_whoever_could_not_encode_a_mail_does_not_quote_it() -> None:
    error = UnicodeEncodeError("utf-8", f"your code is {CODE}", 0, 1, "surrogates not allowed")
    assert CODE in repr(error)
    assert reason(error, secret=True) == "UnicodeEncodeError"


def test_that_a_mail_server_is_away_may_be_said_in_its_words() -> None:
    error = ConnectionRefusedError(111, "Connection refused")
    assert reason(error, secret=True) == repr(error)
