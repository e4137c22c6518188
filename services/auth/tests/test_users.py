"""Accounts as administrators see and change them; somebody always remains who may."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import inspect, select, update

from auth import queries
from auth.models import User
from common.database import Sessions
from common.ids import new_id
from common.testing.badges import Badges
from common.testing.broker import Broker

from .conftest import Person, refused, signed_up

USERS = "/api/auth/users/"
NOBODY = str(UUID(int=7))


@pytest.fixture
def only_admin(admin: Person, sessions: Sessions) -> Iterator[Person]:
    """The one administrator there is; the others have theirs again when the test is done."""
    others = (User.role == "admin") & (User.username != admin.form["username"])
    with sessions.begin() as session:
        ids = list(session.scalars(select(User.id).where(others)))
        session.execute(update(User).where(User.id.in_(ids)).values(role="user"))
    yield admin
    with sessions.begin() as session:
        session.execute(update(User).where(User.id.in_(ids)).values(role="admin"))


def test_strangers_and_customers_are_kept_out_before_anything_is_looked_at(client: httpx.Client, ada: Person) -> None:
    for method, path in (("GET", ""), ("GET", f"{ada.id}/"), ("PATCH", f"{ada.id}/"), ("PATCH", "nobody/")):
        refused(client.request(method, f"{USERS}{path}", json=[]), 401, "not_authenticated")
        refused(client.request(method, f"{USERS}{path}", json=[], headers=ada.headers), 403, "forbidden")


@pytest.mark.parametrize("user_id", [NOBODY, "nobody", "1", "%00"])
def test_whoever_is_not_there_is_not_found(admin: Person, user_id: str) -> None:
    assert admin.ask("GET", f"users/{user_id}/").status_code == 404
    assert admin.ask("PATCH", f"users/{user_id}/", {"role": "admin"}).status_code == 404


@pytest.mark.parametrize(
    "query", ["colour=red", "role=king", "is_active=perhaps", "ordering=password_hash", "page=0", "cursor=x", "search="]
)
def test_what_makes_no_sense_is_refused(admin: Person, query: str) -> None:
    assert admin.ask("GET", f"users/?{query}").status_code == 400


def test_an_account_is_shown_without_anything_secret(admin: Person, ada: Person) -> None:
    shown = admin.ask("GET", f"users/{ada.id}/")
    assert shown.json() == ada.user
    assert admin.ask("GET", f"users/{ada.id}/", headers={"If-None-Match": shown.headers["etag"]}).status_code == 304


def test_accounts_are_found_by_the_beginning_of_name_or_address(admin: Person, client: httpx.Client) -> None:
    word = f"Zoë-{new_id().hex}"
    people = [signed_up(client, username=f"{word}-{number}") for number in range(3)]
    people.append(signed_up(client, email=f"zoe-{word[4:]}@example.com"))
    by_name = admin.ask("GET", f"users/?search={word.upper()}&ordering=username").json()
    assert [user["username"] for user in by_name["results"]] == [f"{word}-{number}" for number in range(3)]
    assert by_name["count"] == 3
    by_address = admin.ask("GET", f"users/?search=zoe-{word[4:]}").json()
    assert [user["id"] for user in by_address["results"]] == [people[3].id]
    assert admin.ask("GET", f"users/?search={word[1:]}").json()["count"] == 0, "only the beginning counts"
    assert admin.ask("GET", "users/?search=%25").json()["count"] == 0, "a wildcard is a letter like any other"


@pytest.mark.parametrize("ordering", ["username", "-username", "created_at", "-created_at"])
def test_pages_and_cursors_show_the_same_accounts_once(admin: Person, client: httpx.Client, ordering: str) -> None:
    word = f"page-{new_id().hex}"
    for number in range(5):
        signed_up(client, username=f"{word}-{number}")
    whole = admin.ask("GET", f"users/?search={word}&ordering={ordering}").json()["results"]
    names = [f"{word}-{number}" for number in range(5)]
    assert [user["username"] for user in whole] == (names[::-1] if ordering.startswith("-") else names)
    seen: list[Any] = []
    path = f"users/?search={word}&ordering={ordering}&cursor=&limit=2"
    while path:
        page = admin.ask("GET", path).json()
        seen += page["results"]
        path = (page["next"] or "").partition("/api/auth/")[2]
    assert seen == whole


def test_filters_narrow_the_list(admin: Person, ada: Person) -> None:
    admins = admin.ask("GET", "users/?role=admin&page_size=100").json()["results"]
    assert admin.id in {user["id"] for user in admins}
    assert {user["role"] for user in admins} == {"admin"}
    admin.ask("PATCH", f"users/{ada.id}/", {"is_active": False})
    off = admin.ask("GET", f"users/?is_active=false&search={ada.form['username']}").json()["results"]
    assert [user["id"] for user in off] == [ada.id]


@pytest.mark.parametrize(
    "body", [{"role": "king"}, {"is_active": 1}, {"email": "a@example.com"}, {"password": "x" * 9}, []]
)
def test_only_role_and_activity_are_theirs_to_change(admin: Person, ada: Person, body: Any) -> None:
    assert admin.ask("PATCH", f"users/{ada.id}/", body).status_code == 400
    assert admin.ask("GET", f"users/{ada.id}/").json() == ada.user


@pytest.mark.parametrize(
    ("change", "reason"), [({"role": "admin"}, "rights_changed"), ({"is_active": False}, "disabled")]
)
def test_a_change_ends_the_accounts_sessions_at_once_and_it_is_said(
    admin: Person, ada: Person, broker: Broker, change: dict[str, Any], reason: str
) -> None:
    tap, other = broker.tap("user.sessions_revoked"), ada.log_in()
    assert admin.ask("PATCH", f"users/{ada.id}/", change).json() == ada.user | change
    for session in (ada, other):
        refused(session.ask("GET", "me/"), 401, "session_ended")
        assert session.ask("POST", "refresh/", {"refresh_token": session.refresh_token}).status_code == 401
    while (said := broker.take(tap, 1)[0])["subject"] != ada.id:
        continue  # of an earlier test
    assert (said["data"]["reason"], len(said["data"]["sessions"])) == (reason, 2)


@pytest.mark.parametrize("change", [{"role": "admin"}, {"is_active": False}, {"role": "admin", "is_active": False}])
def test_what_an_account_may_do_from_now_on_is_said(
    admin: Person, ada: Person, broker: Broker, change: dict[str, Any]
) -> None:
    tap = broker.tap("user.sessions_revoked", "user.updated")
    admin.ask("PATCH", f"users/{ada.id}/", change)
    said: list[Any] = []
    while [event["type"] for event in said] != ["user.sessions_revoked", "user.updated"]:
        event = broker.take(tap, 1)[0]  # which may be of an earlier test
        said += [event] if event["subject"] == ada.id else []
    assert said[1]["sequence"] == said[1]["data"]["version"] == said[0]["sequence"] + 1
    told = {name: said[1]["data"][name] for name in ("role", "is_active", "email", "username", "previous_email")}
    known = {"email": ada.email, "username": ada.form["username"], "previous_email": None}
    assert told == {"role": "user", "is_active": True} | known | change
    admin.ask("PATCH", f"users/{ada.id}/", {"role": "user", "is_active": True})


def test_notifier_is_told_who_is_an_administrator_now(
    client: httpx.Client, admin: Person, ada: Person, ben: Person, badges: Badges
) -> None:
    def told() -> dict[str, dict[str, Any]]:
        answer = client.get("/internal/administrators/", headers=badges.headers("notifier", to="auth"))
        assert answer.status_code == 200, answer.text
        return {each["user_id"]: each for each in answer.json()["administrators"]}

    for person in (ada, ben):
        admin.ask("PATCH", f"users/{person.id}/", {"role": "admin"})
    admin.ask("PATCH", f"users/{ben.id}/", {"is_active": False})
    first = told()
    assert {admin.id, ada.id} <= first.keys()
    assert ben.id not in first
    assert first[ada.id] == {
        "user_id": ada.id,
        "version": first[ada.id]["version"],
        "email": ada.email,
        "name": ada.form["username"],
    }
    admin.ask("PATCH", f"users/{ada.id}/", {"role": "user"})
    assert ada.id not in told()
    refused(client.get("/internal/administrators/", headers=admin.headers), 401, "invalid_token")
    refused(
        client.get("/internal/administrators/", headers=badges.headers("catalog", to="auth")),
        403,
        "not_for_this_service",
    )


def test_of_administrators_nothing_is_read_that_notifier_is_not_told(admin: Person, sessions: Sessions) -> None:
    for user in queries.administrators(sessions):
        assert {"password_hash", "phone_number"} <= inspect(user).unloaded


def test_what_changes_nothing_ends_nothing(admin: Person, ada: Person) -> None:
    assert admin.ask("PATCH", f"users/{ada.id}/", {"role": "user", "is_active": True}).json() == ada.user
    assert admin.ask("PATCH", f"users/{ada.id}/", {}).status_code == 200
    assert ada.ask("GET", "me/").status_code == 200


def test_a_disabled_account_signs_in_again_when_it_is_switched_on(admin: Person, ada: Person) -> None:
    credentials = {"username": ada.form["username"], "password": ada.password}
    admin.ask("PATCH", f"users/{ada.id}/", {"is_active": False})
    refused(ada.client.post("/api/auth/login/", json=credentials), 403, "account_disabled")
    admin.ask("PATCH", f"users/{ada.id}/", {"is_active": True})
    assert ada.client.post("/api/auth/login/", json=credentials).status_code == 200


def test_a_change_of_what_has_changed_since_is_refused(admin: Person, ada: Person) -> None:
    tag = admin.ask("GET", f"users/{ada.id}/").headers["etag"]
    ada.ask("PATCH", "me/", {"first_name": "Ada"})
    stale = admin.ask("PATCH", f"users/{ada.id}/", {"is_active": False}, {"If-Match": tag})
    refused(stale, 412, "precondition_failed")
    assert ada.ask("GET", "me/").status_code == 200


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
def test_the_last_administrator_stays(only_admin: Person, change: dict[str, Any]) -> None:
    refused(only_admin.ask("PATCH", f"users/{only_admin.id}/", change), 409, "last_admin")
    assert only_admin.ask("GET", "me/").json()["role"] == "admin"


def test_administrators_who_unmake_each_other_at_once_leave_one(
    only_admin: Person, client: httpx.Client, sessions: Sessions
) -> None:
    people = [only_admin, *(signed_up(client) for _ in range(3))]
    names = [person.form["username"] for person in people]
    with sessions.begin() as session:
        session.execute(update(User).where(User.username.in_(names)).values(role="admin"))
    people = [person.log_in() for person in people]

    def unmake(number: int) -> int:
        victim = people[(number + 1) % len(people)]
        return people[number].ask("PATCH", f"users/{victim.id}/", {"role": "user"}).status_code

    with ThreadPoolExecutor(4) as crowd:
        answers = Counter(crowd.map(unmake, range(4)))
    with sessions.begin() as session:
        left = session.scalars(select(User.id).where(User.role == "admin")).all()
        session.execute(update(User).where(User.username.in_(names[1:])).values(role="user"))
        session.execute(update(User).where(User.username == names[0]).values(role="admin"))
    assert len(left) >= 1
    assert answers.keys() <= {200, 401, 409}
    assert len(left) == 4 - answers[200]
