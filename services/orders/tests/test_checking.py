"""A key with two orders and a placement that nobody finishes are seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, update

from common.checking import Finding
from common.clock import now
from common.database import Sessions, new_sessions
from common.ids import new_id
from orders.checking import see_intents, see_keys
from orders.commands import main
from orders.models import Order, Placement, order_number
from orders.settings import OrdersSettings


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return new_sessions(engine)


@pytest.fixture
def twin(order_id: str, sessions: Sessions) -> Iterator[UUID]:
    """A second order with the key of another."""
    with sessions.begin() as session:
        columns = [column for column in Order.__table__.columns if column.key not in ("id", "number")]
        row = session.execute(select(*columns).where(Order.id == UUID(order_id))).one()
        twin = Order(**row._mapping, id=new_id(), number=order_number(new_id(), now()))
        session.add(twin)
    yield twin.id
    with sessions.begin() as session:
        session.delete(session.get_one(Order, twin.id))


@contextmanager
def altered(sessions: Sessions, order_id: UUID, **values: Any) -> Iterator[None]:
    mine = Order.id == order_id
    with sessions.begin() as session:
        was = session.execute(select(*(getattr(Order, name) for name in values)).where(mine)).one()._mapping
        session.execute(update(Order).where(mine).values(values))
    yield
    with sessions.begin() as session:
        session.execute(update(Order).where(mine).values(dict(was)))


def test_two_orders_with_one_key_are_named(sessions: Sessions, order_id: str, request: pytest.FixtureRequest) -> None:
    assert see_keys(sessions).wrong == []
    twin: UUID = request.getfixturevalue("twin")
    with sessions.begin() as session:
        numbers = sorted(session.scalars(select(Order.number).where(Order.id.in_((twin, UUID(order_id))))))
    assert list(see_keys(sessions).wrong) == [f"2 orders with one key: {', '.join(numbers)}"]
    with altered(sessions, twin, created_at=now() - timedelta(days=2)):
        assert see_keys(sessions).wrong == []


def test_a_placement_is_a_fault_only_once_it_should_have_been_given_up(sessions: Sessions, twin: UUID) -> None:
    late = {"placement": Placement.PENDING, "deadline": now() + timedelta(seconds=30)}
    with altered(sessions, twin, **late):
        assert see_intents(sessions).wrong == []
    with altered(sessions, twin, **late | {"deadline": now() - timedelta(minutes=2)}):
        named = [sentence for sentence in see_intents(sessions).wrong if str(twin) in sentence]
    assert len(named) == 1


def test_the_command_tells_all_its_findings(
    settings: OrdersSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("database_url", "broker_url", "redis_url"):
        monkeypatch.setenv(f"STOA_{name.upper()}", getattr(settings, name))
    main(["check"])
    found = [Finding.model_validate_json(line) for line in capsys.readouterr().out.splitlines() if "compared" in line]
    assert [each.compared for each in found] == [
        "one order for each Idempotency-Key",
        "no placement left unfinished",
        "schema at its newest revision",
        "outbox",
    ]
