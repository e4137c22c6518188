"""What a user may do without: switched off by its type, decided when the event is heard."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.testing.signing import SignedUser, Signer
from notifier.models import SWITCHABLE, Notification, State
from notifier.queueing import take_due
from notifier.schemas import PreferencesChange, PreferencesView

from .desk import all_mails, queue, send
from .postoffice import PostOffice
from .telling import cancelled, imported, moved, placed, ran_low, registered

PATH = "/api/notifications/preferences/"
ALL: dict[str, bool] = dict.fromkeys(SWITCHABLE, True)


def prefer(client: TestClient, user: SignedUser, **change: Any) -> Any:
    answer = client.patch(PATH, json=change, headers=user.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_stranger_is_asked_to_sign_in(client: TestClient) -> None:
    assert client.get(PATH).status_code == 401
    assert client.patch(PATH, json={}).status_code == 401


def test_what_can_be_switched_off_is_what_the_bodies_name() -> None:
    assert list(SWITCHABLE) == list(PreferencesView.model_fields) == list(PreferencesChange.model_fields)


@pytest.mark.parametrize(
    "body",
    [
        {"order_confirmation": False},
        {"welcome": False},
        {"one_time_code": False},
        {"order_status": False, "password_reset": False},
        {"order_status": "off"},
        {"order_status": 0},
        [],
        None,
    ],
)
def test_everything_else_is_always_sent(client: TestClient, signer: Signer, body: Any) -> None:
    ada = signer.user()
    answer = client.patch(PATH, json=body, headers=ada.headers)
    assert answer.status_code == 400
    assert client.get(PATH, headers=ada.headers).json() == ALL


def test_each_user_has_preferences_of_their_own(client: TestClient, sessions: Sessions, signer: Signer) -> None:
    ada, bob = signer.user(), signer.user("bob")
    assert client.get(PATH, headers=ada.headers).json() == ALL
    assert prefer(client, ada, order_status=False) == ALL | {"order_status": False}
    assert prefer(client, ada, low_stock=False, import_finished=None) == ALL | {
        "order_status": False,
        "low_stock": False,
    }
    assert prefer(client, ada, order_status=True) == ALL | {"low_stock": False}
    assert prefer(client, ada) == client.get(PATH, headers=ada.headers).json() == ALL | {"low_stock": False}
    assert client.get(PATH, headers=bob.headers).json() == ALL
    assert client.get(PATH.rstrip("/"), headers=bob.headers).json() == ALL


def test_a_mail_that_was_switched_off_is_in_the_log_and_not_sent(
    client: TestClient, sessions: Sessions, office: PostOffice, signer: Signer
) -> None:
    ada, bob = signer.user(), signer.user("bob")
    prefer(client, ada, order_status=False, import_finished=False, low_stock=False)
    people = [registered(user.id, name, role="admin") for user, name in ((ada, "Ada"), (bob, "Bob"))]
    order = new_id()
    told = [
        placed(ada.id, order),
        moved(ada.id, order, 2, "pending", "shipped"),
        cancelled(ada.id, new_id()),
        imported(ada.id),
        moved(bob.id, new_id(), 2, "pending", "shipped"),
        ran_low(),
    ]
    queue(sessions, *people, *told)
    with sessions.begin() as session:
        session.execute(update(Notification).values(due_at=now()))
    due = set(take_due(sessions, urgent=False))
    send(sessions, office)
    of_ada = {mail.type: State(mail.state) for mail in all_mails(sessions) if mail.user_id == ada.id}
    always = dict.fromkeys(("welcome", "order_confirmation", "order_cancellation"), State.SENT)
    assert of_ada == always | dict.fromkeys(SWITCHABLE, State.SKIPPED)
    assert {mail.state for mail in all_mails(sessions) if mail.user_id == bob.id} == {State.SENT}
    assert len(office.mails) == 6
    assert not due & {mail.id for mail in all_mails(sessions) if mail.state == State.SKIPPED}
    shown = client.get("/api/notifications/?status=skipped", headers=ada.headers).json()["results"]
    assert {mail["type"] for mail in shown} == set(SWITCHABLE)


def test_what_was_decided_when_the_event_was_heard_stays_decided(
    client: TestClient, sessions: Sessions, office: PostOffice, signer: Signer
) -> None:
    ada = signer.user()
    queue(sessions, registered(ada.id))
    early, late = (moved(ada.id, new_id(), 2, "pending", "shipped") for _ in range(2))
    queue(sessions, early)
    prefer(client, ada, order_status=False)
    queue(sessions, late)
    prefer(client, ada, order_status=True)
    queue(sessions, early, late)
    states = {mail.cause: mail.state for mail in all_mails(sessions) if mail.type == "order_status"}
    assert states[f"order/{early.order_id}/2"] != State.SKIPPED
    assert states[f"order/{late.order_id}/2"] == State.SKIPPED
    assert len(states) == 2


def test_two_who_switch_at_once_do_not_undo_each_other(client: TestClient, sessions: Sessions, signer: Signer) -> None:
    for turn in range(10):
        ada, off = signer.user(), turn % 2 == 0
        if not off:
            prefer(client, ada, **dict.fromkeys(SWITCHABLE, False))
        with ThreadPoolExecutor(6) as crowd:
            list(crowd.map(lambda kind: prefer(client, ada, **{kind: not off}), SWITCHABLE * 2))  # noqa: B023
        assert client.get(PATH, headers=ada.headers).json() == dict.fromkeys(SWITCHABLE, not off)
