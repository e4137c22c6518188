"""The mails held against orders: each that is missing, too many or stuck is named."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from common import side_by_side
from common.clock import now
from common.database import Sessions
from common.http import opened_sister
from common.ids import new_id
from common.testing.badges import Badges
from common.testing.sisters import FakeSister
from notifier.checking import see_fates, see_mails
from notifier.clients import Orders
from notifier.models import Notification, State
from notifier.queueing import make_due

from .desk import all_mails, queue
from .telling import cancelled, placed, registered


@pytest.fixture
def orders(sister: FakeSister, badges: Badges, monkeypatch: pytest.MonkeyPatch) -> Iterator[Orders]:
    """Orders, asked for two at a time."""
    monkeypatch.setattr(side_by_side, "PAGE", 2)
    with opened_sister("orders", sister.url, "notifier", badges.key("notifier"), 5) as asked:
        yield Orders(asked)


def has(sister: FakeSister, orders: dict[UUID, str]) -> None:
    """Let orders have these, each with its status."""
    known = sorted((str(order), status) for order, status in orders.items())

    def answer(path: str, _: Any) -> tuple[int, Any]:
        asked = {name: words[0] for name, words in parse_qs(urlsplit(path).query).items()}
        page = [each for each in known if each[0] > asked.get("after", "")][: int(asked["limit"])]
        return 200, {"orders": [{"id": order, "number": "S-1", "status": status} for order, status in page]}

    sister.answer("GET", "/internal/orders/", answer)


@pytest.fixture
def told(sister: FakeSister, sessions: Sessions) -> dict[UUID, str]:
    """Five orders with their mails, the last of them cancelled."""
    user, ids = new_id(), [new_id() for _ in range(5)]
    queue(sessions, registered(user), *(placed(user, order) for order in ids), cancelled(user, ids[-1]))
    orders = dict.fromkeys(ids, "pending") | {ids[-1]: "cancelled"}
    has(sister, orders)
    return orders


def test_each_order_with_its_mails_is_well(sessions: Sessions, orders: Orders, told: dict[UUID, str]) -> None:
    assert see_mails(sessions, orders, 0).sentence == "5 orders"


def test_mails_that_are_missing_or_too_many_are_named_by_order(
    sessions: Sessions, sister: FakeSister, orders: Orders, told: dict[UUID, str]
) -> None:
    silent, doubled, ended, unknown, well = told
    with sessions.begin() as session:
        session.execute(delete(Notification).where(Notification.cause == f"order/{silent}/1"))
        second = update(Notification).where(Notification.cause == f"order/{unknown}/1")
        session.execute(second.values(cause=f"order/{doubled}/2"))
    has(sister, told | {ended: "cancelled"})
    expected = [
        f"order {silent}: 0 mails order_confirmation instead of 1",
        f"order {doubled}: 2 mails order_confirmation instead of 1",
        f"order {ended}: 0 mails order_cancellation instead of 1",
        f"order {unknown}: 0 mails order_confirmation instead of 1",
    ]
    for patience_s in (0, 0.3):
        assert list(see_mails(sessions, orders, patience_s).wrong) == expected
    has(sister, {order: status for order, status in told.items() if order != well})
    assert see_mails(sessions, orders, 0).wrong[-1] == (
        f"order {well}: 1 mails order_confirmation instead of 0, 1 mails order_cancellation instead of 0"
    )


def test_a_mail_that_is_only_late_is_no_fault(
    sessions: Sessions, sister: FakeSister, orders: Orders, told: dict[UUID, str]
) -> None:
    user, late = new_id(), new_id()
    queue(sessions, registered(user))
    has(sister, told | {late: "pending"})
    known = sister.answers["GET", "/internal/orders/"]
    asked: list[str] = []

    def answer(path: str, body: Any) -> tuple[int, Any]:
        asked.append(path)
        if len(asked) == 5:
            queue(sessions, placed(user, late))
        return known(path, body)

    sister.answer("GET", "/internal/orders/", answer)
    assert see_mails(sessions, orders, 10).wrong == []


def test_a_mail_that_nobody_takes_or_that_failed_is_named_until_it_was_sent_again(
    sessions: Sessions, told: dict[UUID, str]
) -> None:
    waits, tried, failed, *_ = (mail.id for mail in all_mails(sessions) if mail.type == "order_confirmation")
    assert see_fates(sessions).wrong == []

    def alter(mail: UUID, **values: Any) -> None:
        with sessions.begin() as session:
            session.execute(update(Notification).where(Notification.id == mail).values(values))

    alter(waits, due_at=now() - timedelta(minutes=2))
    alter(tried, created_at=now() - timedelta(minutes=20))
    alter(failed, state=State.FAILED)
    assert sorted(see_fates(sessions).wrong) == sorted(
        [f"mail {waits} does not get on", f"mail {tried} does not get on", f"mail {failed} has failed"]
    )
    alter(tried, resent_of=failed, state=State.SENT)
    with sessions.begin() as session:
        make_due(session)
    assert see_fates(sessions).wrong == []
