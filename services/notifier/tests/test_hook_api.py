"""Webhooks as administrators manage them."""

import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from common.database import Sessions
from common.ids import new_id
from common.testing.signing import Signer
from common.testing.waiting import eventually
from notifier.hooks.keeping import Keeper
from notifier.hooks.models import MOST_ENDPOINTS, Delivery, DeliveryState

from .hookdesk import KEEPER, change, deliveries, keep, tell
from .telling import placed

DRAFT = {"url": "https://example.com/webhooks", "events": ["order.*"], "description": "accounting"}
WHERE = "/api/webhooks/"


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is called; nothing leaves."""
    monkeypatch.setattr("notifier.tasks.enqueue_visits", lambda _: None)


@pytest.fixture
def ask(idle: None, client: TestClient, signer: Signer) -> Any:
    """Asked by an administrator, the answer's status and body."""
    admin = signer.admin()

    def ask(method: str, path: str = "", **sent: Any) -> tuple[int, Any]:
        answer = client.request(method, WHERE + path, headers=admin.headers, **sent)
        return answer.status_code, answer.json() if answer.content else None

    return ask


def test_strangers_and_users_have_no_business_here(idle: None, client: TestClient, signer: Signer) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"{new_id()}/deliveries/"), ("POST", f"{new_id()}/test/")):
        assert client.request(method, WHERE + path).status_code == 401
        assert client.request(method, WHERE + path, headers=signer.user().headers).status_code == 403


def test_what_is_not_there_is_a_404(ask: Any) -> None:
    one, other = new_id(), new_id()
    for method, path in (
        *(("GET", f"{one}/"), ("PATCH", f"{one}/"), ("DELETE", f"{one}/"), ("POST", f"{one}/rotate-secret/")),
        *(("POST", f"{one}/test/"), ("GET", f"{one}/deliveries/"), ("POST", f"{one}/deliveries/{other}/redeliver/")),
        ("GET", "nonsense/"),
    ):
        status, body = ask(method, path, **({"json": {}} if method == "PATCH" else {}))
        assert (status, body["code"]) in ((404, "webhook_not_found"), (404, "not_found")), path


def test_the_secret_is_shown_once_and_the_database_does_not_hold_it(
    ask: Any, client: TestClient, engine: Engine, signer: Signer
) -> None:
    answer = client.post(WHERE, json=DRAFT, headers=signer.admin().headers)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{WHERE}{made['id']}/"
    assert answer.headers["cache-control"] == "no-store"
    assert (made["active"], made["disabled_reason"], made["failures_in_a_row"]) == (True, None, 0)
    shown = {name: value for name, value in made.items() if name != "secret"}
    assert ask("GET", f"{made['id']}/") == (200, shown)
    assert ask("GET")[1]["results"] == [shown]
    with engine.connect() as connection:
        stored = str(connection.execute(text("SELECT * FROM webhook_endpoints")).all())
    assert made["secret"].removeprefix("whsec_") not in stored
    status, rotated = ask("POST", f"{made['id']}/rotate-secret/")
    assert status == 200
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"url": "https://10.0.0.1.nip.example:22/"}, None),
        ({"url": "https://user@example.com/"}, "invalid_url"),
        ({"url": "https://example.com/#x"}, "invalid_url"),
        ({"url": "ftp://example.com/"}, "invalid_url"),
        ({"url": "https://" + "x" * 2048}, "invalid"),
        ({"url": "https://x.example?" + "x" * 2000}, "invalid"),
        ({"url": ("https://x.example?" + "x" * 2000)[:2000]}, None),
        ({"url": ""}, "invalid"),
        ({"url": None}, "invalid"),
        ({"events": []}, "invalid"),
        ({"events": ["order."]}, "invalid"),
        ({"events": ["Order.Placed"]}, "invalid"),
        ({"events": ["*"] * 21}, "invalid"),
        ({"events": ["order.*", "user.otp_requested"]}, "unknown_event_type"),
        ({"events": ["user.*"]}, "unknown_event_type"),
        ({"events": ["webhook.test"]}, "unknown_event_type"),
        ({"description": "x" * 201}, "invalid"),
        ({"active": "yes"}, "invalid"),
        ({"secret": "whsec_chosen"}, "invalid"),
    ],
)
def test_what_cannot_be_is_refused(ask: Any, wrong: dict[str, Any], code: str | None) -> None:
    _, made = ask("POST", json=DRAFT)
    for method, path, body in (("POST", "", DRAFT | wrong), ("PATCH", f"{made['id']}/", wrong)):
        status, said = ask(method, path, json=body)
        if code is None:  # private addresses, and so all ports, are allowed to the tests
            assert status in (200, 201)
        else:
            assert (status, said["code"], list(said["errors"])[0].split(".")[0]) == (400, code, *wrong)


def test_in_production_it_is_told_by_https_to_public_addresses_only(
    idle: None, client: TestClient, signer: Signer
) -> None:
    client.app.state.keeper = Keeper(KEEPER.seal, type(KEEPER.policy)())  # type: ignore[attr-defined]
    for url in ("http://example.com/", "https://127.0.0.1/", "https://[::ffff:10.0.0.1]/", "https://example.com:25/"):
        answer = client.post(WHERE, json=DRAFT | {"url": url}, headers=signer.admin().headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_url")


def test_a_webhook_is_changed_and_removed(ask: Any) -> None:
    _, made = ask("POST", json=DRAFT)
    path = f"{made['id']}/"
    wanted = {"url": "https://example.com/new", "events": ["*", "*"], "description": "", "active": False}
    status, changed = ask("PATCH", path, json=wanted)
    assert status == 200
    assert {name: changed[name] for name in wanted} == wanted | {"events": ["*"]}
    assert (changed["disabled_reason"], changed["disabled_at"] is None) == (None, False)
    assert ask("PATCH", path, json={"active": True})[1]["disabled_at"] is None
    assert ask("POST", f"{path}test/")[0] == 202
    assert ask("DELETE", path) == (204, None)
    assert ask("GET", path)[0] == 404


def test_of_a_disabled_one_nothing_is_sent(ask: Any, sessions: Sessions) -> None:
    _, made = ask("POST", json=DRAFT)
    _, queued = ask("POST", f"{made['id']}/test/")
    ask("PATCH", f"{made['id']}/", json={"active": False})
    for path in ("test/", f"deliveries/{queued['id']}/redeliver/"):
        status, said = ask("POST", f"{made['id']}/{path}")
        assert (status, said["code"]) == (409, "webhook_disabled")


def test_the_log_lists_newest_first_by_page_or_cursor_and_state(ask: Any, sessions: Sessions) -> None:
    made = keep(sessions, "https://example.com/")
    tell(sessions, *(placed(new_id()) for _ in range(3)))
    oldest, *_ = rows = deliveries(sessions)
    change(sessions, Delivery, state=DeliveryState.DELIVERED, status_code=200, duration_ms=12, answer="ok")
    ask("POST", f"{made.id}/deliveries/{oldest.id}/redeliver/")
    path = f"{made.id}/deliveries/"
    status, page = ask("GET", f"{path}?page_size=2")
    assert (status, page["count"], len(page["results"])) == (200, 3, 2)
    assert page["results"][0]["id"] == str(rows[-1].id)
    assert page["results"][0] | {"created_at": "", "id": "", "event_id": ""} == {
        **{"id": "", "event_id": "", "event_type": "order.placed", "status": "delivered", "attempts": 0},
        **{"status_code": 200, "duration_ms": 12, "answer": "ok", "error": "", "created_at": ""},
        **{"delivered_at": None, "next_attempt_at": None},
    }
    first = ask("GET", f"{path}?cursor=&limit=2")[1]
    rest = ask("GET", first["next"].split(WHERE)[1])[1]
    assert [len(first["results"]), len(rest["results"]), rest["next"]] == [2, 1, None]
    assert [row["id"] for row in ask("GET", f"{path}?status=queued")[1]["results"]] == [str(oldest.id)]
    for bad in ("status=lost", "page=0", "colour=red", "cursor=%00"):
        assert ask("GET", f"{path}?{bad}")[0] == 400


def test_what_is_being_sent_is_not_sent_again_at_the_same_time(ask: Any, sessions: Sessions) -> None:
    made, other = keep(sessions, "https://example.com/"), keep(sessions, "https://example.com/", "product.*")
    tell(sessions, placed(new_id()))
    (row,) = deliveries(sessions)
    change(sessions, Delivery, state=DeliveryState.SENDING, due_at=row.due_at.replace(year=2100))
    status, said = ask("POST", f"{made.id}/deliveries/{row.id}/redeliver/")
    assert (status, said["code"]) == (409, "delivery_in_progress")
    status, said = ask("POST", f"{other.id}/deliveries/{row.id}/redeliver/")
    assert (status, said["code"]) == (404, "delivery_not_found")


def test_there_are_as_many_as_there_may_be_also_when_all_are_made_at_once(
    idle: None, client: TestClient, signer: Signer
) -> None:
    admin, codes = signer.admin(), []

    def make() -> None:
        eventually(lambda: _made_or_full(client.post(WHERE, json=DRAFT, headers=admin.headers), codes))

    threads = [threading.Thread(target=make) for _ in range(MOST_ENDPOINTS + 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201] * MOST_ENDPOINTS + [409] * 5
    assert client.get(WHERE, headers=admin.headers).json()["count"] == MOST_ENDPOINTS


def _made_or_full(answer: Any, codes: list[int]) -> bool:
    """A 503 says that others were faster too often; it may be asked again."""
    if answer.status_code == 503:
        assert answer.headers["retry-after"]
        return False
    codes.append(answer.status_code)
    assert answer.status_code == 201 or answer.json()["code"] == "too_many_webhooks"
    return True
