"""One's own sessions: where one is signed in, and the end of any of them."""

from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from auth.models import UserSession
from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker

from .conftest import Person, refused


def mine(person: Person, query: str = "") -> list[dict[str, object]]:
    answer = person.ask("GET", f"sessions/{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def test_strangers_see_none(client: httpx.Client) -> None:
    refused(client.get("/api/auth/sessions/"), 401, "not_authenticated")
    refused(client.delete(f"/api/auth/sessions/{new_id()}/"), 401, "not_authenticated")


def test_each_session_tells_where_and_since_when(ada: Person) -> None:
    other = ada.log_in()
    here, there = mine(other)
    assert (here["current"], there["current"]) == (True, False)
    assert (here["amr"], here["ip"]) == (["pwd"], "127.0.0.1")
    assert str(here["user_agent"]).startswith("python-httpx")
    assert set(here) == {"id", "current", "amr", "ip", "user_agent", "created_at", "last_seen_at", "expires_at"}
    assert str(here["created_at"]) > str(there["created_at"])


def test_what_is_over_is_not_listed(ada: Person, sessions: Sessions) -> None:
    left, expired = ada.log_in(), ada.log_in()
    left.ask("POST", "logout/")
    with sessions.begin() as session:
        gone = UUID(str(mine(expired)[0]["id"]))
        session.execute(update(UserSession).where(UserSession.id == gone).values(expires_at=now()))
    assert [session["current"] for session in mine(ada)] == [True]


def test_a_cursor_walks_through_all(ada: Person) -> None:
    for _ in range(4):
        ada.log_in()
    page = ada.ask("GET", "sessions/?cursor=&limit=3").json()
    rest = ada.ask("GET", page["next"].partition("/api/auth/")[2]).json()
    assert page["results"] + rest["results"] == mine(ada)
    assert rest["next"] is None
    assert ada.ask("GET", "sessions/?cursor=zzz").status_code == 400


def test_one_of_ones_own_ends_at_once_and_it_is_said(ada: Person, broker: Broker) -> None:
    tap, other = broker.tap("user.sessions_revoked"), ada.log_in()
    number = next(session["id"] for session in mine(ada) if not session["current"])
    assert ada.ask("DELETE", f"sessions/{number}/").status_code == 204
    refused(other.ask("GET", "me/"), 401, "session_ended")
    refused(other.ask("POST", "refresh/", {"refresh_token": other.refresh_token}), 401, "invalid_refresh")
    assert ada.ask("GET", "me/").status_code == 200
    refused(ada.ask("DELETE", f"sessions/{number}/"), 404, "session_not_found")
    while (said := broker.take(tap, 1)[0])["subject"] != ada.id:
        continue  # of an earlier test
    assert (said["data"]["reason"], said["data"]["sessions"]) == ("ended", [number])


def test_the_present_one_may_be_ended_too(ada: Person) -> None:
    assert ada.ask("DELETE", f"sessions/{mine(ada)[0]['id']}/").status_code == 204
    refused(ada.ask("GET", "me/"), 401, "session_ended")


@pytest.mark.parametrize("odd", ["x", "1", "%00"])
def test_anybody_elses_and_what_cannot_be_one_are_not_found(ada: Person, ben: Person, odd: str) -> None:
    for number in (mine(ben)[0]["id"], new_id(), odd):
        assert ada.ask("DELETE", f"sessions/{number}/").status_code == 404
    assert ben.ask("GET", "me/").status_code == 200


def test_every_way_out_is_said_with_the_accounts_version(ada: Person, broker: Broker) -> None:
    tap = broker.tap("user.sessions_revoked")
    third, second = ada.log_in(), ada.log_in()
    third.ask("POST", "logout/")
    second.ask("POST", "logout/", {"all": True})
    said = []
    while len(said) < 2:
        event = broker.take(tap, 1)[0]
        said += [event] if event["subject"] == ada.id else []
    assert [(event["data"]["reason"], len(event["data"]["sessions"])) for event in said] == [
        ("logout", 1),
        ("logout", 2),
    ]
    assert [event["sequence"] for event in said] == [2, 3]
