"""The log of mails, as its readers see it, and the schema under it."""

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import update

from common.database import Sessions
from common.testing.migrations import walk
from common.testing.signing import Signer
from notifier.models import Notification, State
from notifier.queueing import queue_mails

from .conftest import FOLDER
from .telling import placed, registered


def test_a_stranger_is_asked_to_sign_in(client: TestClient) -> None:
    assert client.get("/api/notifications/").status_code == 401


def test_users_see_their_own_mails_and_admins_all(client: TestClient, sessions: Sessions, signer: Signer) -> None:
    ada, bob = signer.user("ada"), signer.user("bob")
    with sessions.begin() as session:
        queue_mails(session, [registered(ada.id), registered(bob.id, "Bob"), placed(ada.id), placed(ada.id)])

    def ask(user: Any, query: str = "") -> Any:
        return client.get(f"/api/notifications/{query}", headers=user.headers).json()

    assert ask(ada)["count"] == 3
    assert {mail["user"] for mail in ask(ada)["results"]} == {str(ada.id)}
    assert ask(bob)["results"][0]["type"] == "welcome"
    assert ask(bob)["results"][0]["status"] in ("queued", "sending", "sent")
    assert ask(signer.admin())["count"] == 4
    assert ask(ada, "?type=order_confirmation")["count"] == 2
    assert ask(ada, "?type=welcome&status=failed")["count"] == 0
    first = ask(ada, "?cursor=&limit=2")
    rest = client.get(first["next"].split(":8080")[1], headers=ada.headers).json()
    assert [len(first["results"]), len(rest["results"]), rest["next"]] == [2, 1, None]


def test_what_a_mail_server_said_is_shown_to_admins_only(
    client: TestClient, sessions: Sessions, signer: Signer
) -> None:
    ada = signer.user("ada")
    with sessions.begin() as session:
        queue_mails(session, [registered(ada.id)])
        session.execute(update(Notification).values(state=State.FAILED, error="550 mx7.inner.example says no"))
    for user, error in ((ada, ""), (signer.admin(), "550 mx7.inner.example says no")):
        (mail,) = client.get("/api/notifications/?status=failed", headers=user.headers).json()["results"]
        assert mail["error"] == error


def test_a_question_that_makes_no_sense_is_a_400(client: TestClient, signer: Signer) -> None:
    for query in ("status=lost", "page=0", "page_size=1000", "colour=red", "cursor=%00"):
        answer = client.get(f"/api/notifications/?{query}", headers=signer.user().headers)
        assert answer.status_code == 400, query


def test_the_schema_goes_up_and_down_and_agrees_with_the_models(empty_schema: Any) -> None:
    walk(FOLDER, empty_schema("notifier"))
