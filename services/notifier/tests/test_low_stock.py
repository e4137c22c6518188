"""A product that runs low: told once per crossing to each administrator, whoever that is at the moment."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from common.broker import dead_letter_name
from common.consumer import NotYet
from common.database import Sessions
from common.errors import Unavailable
from common.http import Sister
from common.ids import new_id
from common.service_tokens import Sisters
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually
from notifier import comparing
from notifier.clients import Accounts
from notifier.comparing import compare_administrators
from notifier.models import Recipient, State

from .desk import all_mails, queue, send, text_of
from .postoffice import PostOffice
from .telling import placed, ran_low, registered, updated

PATH = "/internal/administrators/"
OLD: Any = None
"""The role in an event of a time when it was not told."""


def told_of(sessions: Sessions) -> list[UUID]:
    return [mail.user_id for mail in all_mails(sessions) if mail.type == "low_stock"]


def rights(sessions: Sessions) -> dict[UUID, bool | None]:
    with sessions.begin() as session:
        return {row.user_id: row.is_admin for row in session.scalars(select(Recipient))}


def test_each_administrator_is_told_once_of_each_crossing(
    client: TestClient, worker: None, broker: Broker, sessions: Sessions, office: PostOffice
) -> None:
    ada, bob, customer = (new_id() for _ in range(3))
    for event in (registered(ada, role="admin"), registered(bob, "Bob", role="admin"), registered(customer, "Eve")):
        broker.tell(event)
    eventually(lambda: len(rights(sessions)) == 3)
    broker.tell(ran_low(version=3), times=3)
    broker.tell(ran_low(version=9, stock=0), times=3)
    eventually(lambda: [mail.state for mail in all_mails(sessions)] == [State.SENT] * 7)
    assert sorted(told_of(sessions)) == sorted([ada, ada, bob, bob])
    mails = [mail for mail in office.mails if "Oil lamp" in mail["Subject"]]
    assert len(mails) == 4
    assert {mail["To"] for mail in mails} == {"Ada <ada@example.com>", "Bob <bob@example.com>"}
    assert {mail["Subject"] for mail in mails} == {"Oil lamp is running low", "Oil lamp is sold out"}


def test_the_mail_names_product_and_sku(sessions: Sessions, office: PostOffice) -> None:
    name = f"Oil lamp <brass> {'x' * 230}"
    queue(sessions, registered(new_id(), role="admin"), ran_low(name=name), ran_low(8, sku=None, stock=0))
    send(sessions, office)
    _, low, sold_out = office.mails
    for kind in ("plain", "html"):
        for word in ("L-1", "7", "4"):
            assert word in text_of(low, kind)
        assert "SKU" not in text_of(sold_out, kind)
        assert "sold out" in text_of(sold_out, kind)
    assert name in text_of(low, "plain")
    assert "Oil lamp &lt;brass&gt;" in text_of(low, "html")
    assert str(low["Subject"]).endswith("x… is running low")


@pytest.mark.parametrize(
    "change", [{"role": "user"}, {"role": "admin", "is_active": False}, {"role": "user", "is_active": False}]
)
def test_who_is_no_administrator_any_more_or_switched_off_is_not_told(
    sessions: Sessions, change: dict[str, Any]
) -> None:
    ada, bob = new_id(), new_id()
    queue(sessions, registered(ada, role="admin"), registered(bob, "Bob", role="admin"))
    queue(sessions, updated(ada, 2, "Ada", **change))
    queue(sessions, ran_low())
    assert told_of(sessions) == [bob]
    queue(sessions, updated(ada, 3, "Ada", role="admin"), ran_low(version=5))
    assert told_of(sessions) == [bob, *sorted([ada, bob])]


def test_the_newest_rights_stay_in_whatever_order_they_are_told(sessions: Sessions) -> None:
    ada, bob = new_id(), new_id()
    queue(sessions, updated(ada, 3, "Ada"), updated(bob, 3, "Bob", role="admin"))
    queue(sessions, updated(ada, 2, "Ada", role="admin"), updated(bob, 2, "Bob"))
    queue(sessions, updated(bob, 4, "Bob", role=OLD))
    assert rights(sessions) == {ada: False, bob: True}, "an event that does not tell changes nothing"


def test_without_administrators_nobody_is_told(sessions: Sessions) -> None:
    queue(sessions, registered(new_id()), ran_low())
    assert told_of(sessions) == []


# -- What was before events told it, and what was lost


def an_admin(user: UUID, version: int = 1, name: str = "Ada") -> dict[str, Any]:
    return {"user_id": str(user), "version": version, "email": f"{name.lower()}@example.com", "name": name}


class Telling:
    """Auth, as far as it tells notifier who is an administrator."""

    def __init__(self, sister: FakeSister, sisters: Sisters) -> None:
        self.sisters = sisters
        self.sister = sister
        self.answer: tuple[int, Any] = (200, {"administrators": []})
        self.meanwhile: Callable[[], object] = lambda: None
        sister.answer("GET", PATH, self._answer)

    def tell(self, *admins: dict[str, Any]) -> None:
        self.answer = (200, {"administrators": list(admins)})

    def _answer(self, _: str, __: Any) -> tuple[int, Any]:
        assert self.sisters.caller(self.sister.shown[-1].removeprefix("Bearer ")) == "notifier"
        answer = self.answer
        self.meanwhile()
        return answer


@pytest.fixture
def auth(auth_sister: FakeSister, badges: Badges) -> Telling:
    return Telling(auth_sister, Sisters("auth", badges.public("notifier")))


@pytest.fixture
def accounts(way_to_auth: Sister) -> Accounts:
    return Accounts(way_to_auth)


def test_while_it_is_not_known_who_is_an_administrator_the_event_waits(
    sessions: Sessions, auth: Telling, accounts: Accounts
) -> None:
    ada, customers = new_id(), [new_id() for _ in range(5)]
    queue(sessions, registered(ada, role=OLD), *(registered(user, f"User{user}", role=OLD) for user in customers))
    with pytest.raises(NotYet):
        queue(sessions, ran_low())
    assert told_of(sessions) == []
    auth.tell(an_admin(ada))
    compare_administrators(sessions, accounts)
    queue(sessions, ran_low())
    assert told_of(sessions) == [ada]
    assert rights(sessions) == {ada: True} | dict.fromkeys(customers, False)


def test_an_event_that_came_too_early_is_told_when_all_is_known(
    client: TestClient, broker: Broker, sessions: Sessions
) -> None:
    ada = new_id()
    broker.tell(registered(ada, role=OLD))
    eventually(lambda: rights(sessions) == {ada: None})
    broker.tell(ran_low())
    eventually(lambda: broker.size("stoa.retry.1s") == 1 or broker.size("stoa.retry.10s") == 1)
    broker.tell(updated(ada, 2, "Ada", role="admin"))
    eventually(lambda: told_of(sessions) == [ada], 40)
    assert broker.size(dead_letter_name("notifier")) == 0


def test_the_service_compares_when_it_starts(
    auth: Telling, settings: Any, sessions: Sessions, environment: None
) -> None:
    from notifier.main import build

    ada = new_id()
    queue(sessions, registered(ada, role=OLD))
    auth.tell(an_admin(ada))
    with TestClient(build(settings)):
        eventually(lambda: rights(sessions) == {ada: True})


def test_many_of_whom_nobody_had_told_are_settled_by_the_chunk(
    sessions: Sessions, auth: Telling, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "CHUNK", 2)
    queue(sessions, *(registered(new_id(), f"User{n}", role=OLD) for n in range(5)))
    compare_administrators(sessions, accounts)
    assert set(rights(sessions).values()) == {False}


def test_an_administrator_who_was_never_heard_of_is_learned_with_the_address(
    sessions: Sessions, auth: Telling, accounts: Accounts
) -> None:
    ada = new_id()
    auth.tell(an_admin(ada, version=4))
    compare_administrators(sessions, accounts)
    queue(sessions, ran_low())
    (mail,) = all_mails(sessions)
    assert (mail.user_id, mail.email, mail.data["name"]) == (ada, "ada@example.com", "Ada")


def test_who_lost_the_rights_without_being_told_of_is_an_administrator_no_more(
    sessions: Sessions, auth: Telling, accounts: Accounts
) -> None:
    ada, bob = new_id(), new_id()
    queue(sessions, registered(ada, role="admin"), registered(bob, "Bob", role="admin"))
    auth.tell(an_admin(bob, name="Bob"))
    compare_administrators(sessions, accounts)
    assert rights(sessions) == {ada: False, bob: True}


def test_what_an_event_tells_while_auth_answers_is_newer(sessions: Sessions, auth: Telling, accounts: Accounts) -> None:
    ada, bob, eve = (new_id() for _ in range(3))
    queue(sessions, registered(ada, role="admin"), registered(bob, "Bob", role="admin"), registered(eve, "Eve"))
    auth.tell(an_admin(bob, name="Bob"))  # worked out before Ada was promoted again, and before the others changed
    changes = [
        updated(ada, 3, "Ada", role="admin"),
        updated(bob, 2, "Bobby", role="user"),
        updated(eve, 2, "Eve", role="admin"),
    ]
    auth.meanwhile = lambda: queue(sessions, *changes)
    compare_administrators(sessions, accounts)
    assert rights(sessions) == {ada: True, bob: False, eve: True}


def test_where_nothing_differs_nothing_is_written(
    sessions: Sessions, auth: Telling, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = new_id()
    queue(sessions, registered(ada, role="admin"))
    auth.tell(an_admin(ada))
    monkeypatch.setattr(comparing, "learn", lambda *_: pytest.fail("there was nothing to learn"))
    compare_administrators(sessions, accounts)
    assert rights(sessions) == {ada: True}


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (404, {"code": "not_found"}),
        (401, {"code": "invalid_token"}),
        (200, None),
        (200, {"administrators": None}),
        (200, {"administrators": [{"user_id": "?", "version": 1, "email": "a@example.com", "name": "A"}]}),
        (200, {"administrators": [{"user_id": str(new_id()), "version": -1, "email": "", "name": "A"}]}),
    ],
)
def test_without_an_answer_that_makes_sense_all_stays_as_it_is(
    sessions: Sessions, auth: Telling, accounts: Accounts, answer: tuple[int, Any]
) -> None:
    ada, bob = new_id(), new_id()
    queue(sessions, registered(ada, role="admin"), registered(bob, "Bob", role=OLD))
    auth.answer = answer
    with pytest.raises(Unavailable):
        accounts.administrators()
    compare_administrators(sessions, accounts)
    assert rights(sessions) == {ada: True, bob: None}


def test_the_rights_of_an_order_s_customer_make_no_difference(sessions: Sessions) -> None:
    user = new_id()
    queue(sessions, registered(user, role=OLD), placed(user))
    with sessions.begin() as session:
        session.execute(update(Recipient).values(is_admin=False))
    assert [mail.type for mail in queue(sessions, placed(user))] == ["welcome", *["order_confirmation"] * 2]
