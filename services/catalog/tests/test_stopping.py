"""Imports that are cancelled and begun again: what is written is counted, and nothing is done twice or lost."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from catalog import importing
from catalog.jobs import lock_job
from catalog.settings import CatalogSettings
from catalog.upload_models import Import
from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import SignedUser
from common.testing.waiting import eventually

PATH = "/api/products/bulk-upload/"
JOBS = "catalog.jobs"
HEADER = "sku,name,price\n"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has several chunks."""
    monkeypatch.setattr(importing, "CHUNK", 5)


class Desk:
    """What an administrator asks of imports."""

    def __init__(self, client: TestClient, admin: SignedUser) -> None:
        self._client = client
        self._admin = admin

    def cancel(self, import_id: UUID) -> Any:
        return self._client.post(f"{PATH}{import_id}/cancel/", headers=self._admin.headers)

    def retry(self, import_id: UUID) -> Any:
        return self._client.post(f"{PATH}{import_id}/retry/", headers=self._admin.headers)


@pytest.fixture
def desk(client: TestClient, admin: SignedUser) -> Desk:
    return Desk(client, admin)


@pytest.fixture
def before_chunk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], None]:
    """Have something happen before the worker comes to its n-th chunk."""

    def arrange(number: int, happens: Callable[[], Any]) -> None:
        calls = iter(range(1, 1000))
        real = importing.apply_chunk

        def step(*args: Any) -> Any:
            if next(calls) == number:
                happens()
            return real(*args)

        monkeypatch.setattr(importing, "apply_chunk", step)

    return arrange


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def all_at_once(sessions: Sessions, ask: Callable[[UUID], Any], import_id: UUID) -> list[Any]:
    """The answers to four who stand at the import's row together when it is let go."""
    with ThreadPoolExecutor(4) as crowd:
        with sessions.begin() as session:
            lock_job(session, import_id)
            asked = [crowd.submit(ask, import_id) for _ in range(4)]
            eventually(lambda: standing_in_line(sessions) == 4)
        return [answer.result() for answer in asked]


def standing_in_line(sessions: Sessions) -> int:
    """How many wait for the row of an import."""
    busy = text(
        "SELECT count(*) FROM information_schema.processlist WHERE db = database()"
        " AND (info LIKE 'UPDATE imports%' OR info LIKE 'SELECT%FROM imports%FOR UPDATE')"
    )
    with sessions.begin() as session:
        return session.scalar(busy) or 0


# Who may, and when


def test_strangers_and_customers_stop_nothing(client: TestClient, customer: SignedUser) -> None:
    for verb in ("cancel", "retry"):
        assert client.post(f"{PATH}{new_id()}/{verb}/").status_code == 401
        assert client.post(f"{PATH}{new_id()}/{verb}/", headers=customer.headers).status_code == 403


def test_what_is_not_there_cannot_be_stopped_or_tried_again(desk: Desk) -> None:
    for ask in (desk.cancel, desk.retry):
        assert code(ask(new_id())) == (404, "upload_not_found")
        assert ask("nonsense").status_code == 404


def test_what_is_over_cannot_be_cancelled(shop: Any, desk: Desk) -> None:
    done = shop.take_in(f"{HEADER}{shop.sku()},Lamp,1\n")["task_id"]
    stopped = shop.upload(f"{HEADER}{shop.sku()},Lamp,1\n")
    desk.cancel(stopped)

    assert code(desk.cancel(done)) == (409, "already_over")
    assert code(desk.cancel(stopped)) == (409, "already_over")
    assert shop.report(done)["status"] == "finished"


def test_only_what_failed_or_was_cancelled_can_be_tried_again(shop: Any, desk: Desk, before_chunk: Any) -> None:
    import_id = shop.upload(f"{HEADER}{shop.sku()},Lamp,1\n")
    answers = [desk.retry(import_id)]
    before_chunk(1, lambda: answers.append(desk.retry(import_id)))
    shop.work_on(import_id)

    assert shop.report(import_id)["status"] == "finished"
    assert [code(answer) for answer in [*answers, desk.retry(import_id)]] == [(409, "not_retryable")] * 3


def test_a_retry_without_the_file_is_refused(
    shop: Any, desk: Desk, sessions: Sessions, settings: CatalogSettings
) -> None:
    import_id = shop.upload(f"{HEADER}{shop.sku()},Lamp,1\n")
    desk.cancel(import_id)
    with sessions.begin() as session:
        (settings.upload_dir / session.get(Import, import_id).file).unlink()

    assert code(desk.retry(import_id)) == (409, "file_gone")
    assert shop.report(import_id)["status"] == "cancelled"


# Cancelling


def test_an_import_that_nobody_has_begun_is_cancelled_and_left_alone(
    shop: Any, desk: Desk, client: TestClient, admin: SignedUser
) -> None:
    sku = shop.sku()
    import_id = shop.upload(shop.lamps(sku, 3))

    answer = desk.cancel(import_id)
    shop.work_on(import_id)

    assert answer.status_code == 202
    assert answer.json() == shop.report(import_id)
    assert (answer.json()["status"], answer.json()["processed"], shop.counts(answer.json())) == ("cancelled", 0, {})
    assert client.get(f"/api/products/by-sku/{sku}-0/").status_code == 404
    task = client.get(f"/api/products/scheduled_tasks/?task_id={import_id}", headers=admin.headers).json()
    assert (task["status"], task["result"]) == ("REVOKED", answer.json())


def test_the_worker_stops_at_the_next_chunk_and_what_it_wrote_stays(
    shop: Any, desk: Desk, broker: Broker, before_chunk: Any
) -> None:
    sku = shop.sku()
    import_id = shop.upload(shop.lamps(sku, 23))
    tap = shop.tap("product.*", "import.finished")
    before_chunk(3, lambda: desk.cancel(import_id))

    shop.work_on(import_id)

    report = shop.report(import_id)
    assert (report["status"], report["processed"], shop.counts(report)) == ("cancelled", 10, {"created": 10})
    assert report["finished_at"]
    said = broker.take(tap, 11)
    assert Counter(event["type"] for event in said) == {"product.created": 10, "import.finished": 1}
    (end,) = (event["data"] for event in said if event["type"] == "import.finished")
    assert (end["status"], end["created"], end["total"]) == ("cancelled", 10, 23)
    assert shop.client.get(f"/api/products/by-sku/{sku}-10/").status_code == 404
    assert broker.size(tap) == 0


def test_rows_that_were_only_checked_do_not_count_as_written(shop: Any, desk: Desk, before_chunk: Any) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 12), on_error="abort")
    before_chunk(3, lambda: desk.cancel(import_id))

    shop.work_on(import_id)

    assert (shop.report(import_id)["status"], shop.counts(shop.report(import_id))) == ("cancelled", {})


def test_of_those_who_cancel_at_once_one_does(shop: Any, desk: Desk, broker: Broker, sessions: Sessions) -> None:
    import_id = shop.upload(f"{HEADER}{shop.sku()},Lamp,1\n")
    tap = shop.tap("import.finished")

    answers = all_at_once(sessions, desk.cancel, import_id)

    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert broker.take(tap, 1)[0]["subject"] == str(import_id)
    eventually(lambda: shop.unsent() == 0)
    assert broker.size(tap) == 0


# Rows that turn bad


def test_a_row_that_turns_bad_after_the_check_stops_the_import_and_it_says_how_much_is_written(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku = shop.sku()
    import_id = shop.upload(shop.lamps(sku, 23), mode="create", on_error="abort")
    real, late = importing._end_phase, []

    def overtake(*args: Any) -> Any:
        late[:] = late or [shop.add(sku=f"{sku}-12")]
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_end_phase", overtake)
        shop.work_on(import_id)

    report = shop.report(import_id)
    assert (report["status"], report["processed"], shop.counts(report)) == ("failed", 11, {"created": 10, "failed": 1})
    assert report["reason"].endswith(": 10")
    assert [(row["line"], row["code"]) for row in shop.bad_rows(str(import_id))] == [(14, "sku_taken")]
    assert shop.see(late[0]["id"]) == late[0]
    for n in (10, 11, 13, 22):
        assert shop.client.get(f"/api/products/by-sku/{sku}-{n}/").status_code == 404
    assert shop.see_sku(f"{sku}-9")["stock"] == 3


def test_an_import_that_stopped_at_such_a_row_is_checked_anew(
    shop: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku = shop.sku()
    import_id = shop.upload(shop.lamps(sku, 8), mode="update", on_error="abort")
    products = [shop.add(sku=f"{sku}-{n}") for n in range(8)]
    real, other = importing._end_phase, shop.sku()

    def overtake(*args: Any) -> Any:
        shop.change(products[7]["id"], sku=other)
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_end_phase", overtake)
        shop.work_on(import_id)
    stopped = shop.report(import_id)
    shop.change(products[7]["id"], sku=f"{sku}-7")
    desk.retry(import_id)
    shop.work_on(import_id)

    assert (stopped["status"], shop.counts(stopped)) == ("failed", {"updated": 5, "failed": 1})
    report = shop.report(import_id)
    assert (report["status"], report["processed"]) == ("finished", 8)
    assert shop.counts(report) == {"updated": 3, "unchanged": 5}
    assert shop.bad_rows(str(import_id)) == []


# Trying again


def test_a_retry_tells_a_worker_and_says_where_to_look(shop: Any, desk: Desk, broker: Broker) -> None:
    import_id = shop.upload(f"{HEADER}{shop.sku()},Lamp,1\n")
    desk.cancel(import_id)
    before = broker.size(JOBS)

    answer = desk.retry(import_id)

    assert (answer.status_code, answer.headers["location"]) == (202, f"{PATH}{import_id}/")
    assert answer.json() == {
        "message": answer.json()["message"],
        "task_id": str(import_id),
        "status_url": f"{PATH}{import_id}/",
    }
    report = shop.report(import_id)
    assert (report["status"], report["reason"], report["finished_at"]) == ("pending", None, None)
    eventually(lambda: broker.size(JOBS) == before + 1)


def test_a_cancelled_import_goes_on_where_it_stood(shop: Any, desk: Desk, broker: Broker, before_chunk: Any) -> None:
    sku = shop.sku()
    import_id = shop.upload(f"{shop.lamps(sku, 12)}{sku}-x,,,\n")
    tap = shop.tap("product.*", "import.finished")
    before_chunk(2, lambda: desk.cancel(import_id))
    shop.work_on(import_id)

    desk.retry(import_id)
    shop.work_on(import_id)

    report = shop.report(import_id)
    assert (report["status"], report["processed"]) == ("finished", 13)
    assert shop.counts(report) == {"created": 12, "failed": 1}
    assert [row["line"] for row in shop.bad_rows(str(import_id))] == [14]
    said = broker.take(tap, 14)
    assert Counter(event["type"] for event in said) == {"product.created": 12, "import.finished": 2}
    first, second = (event for event in said if event["type"] == "import.finished")
    assert (first["data"]["status"], second["data"]["status"]) == ("cancelled", "finished")
    assert first["sequence"] < second["sequence"]
    assert broker.size(tap) == 0


def test_an_import_that_was_given_up_has_all_its_attempts_again(
    shop: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 3))
    with monkeypatch.context() as patched:
        patched.setattr(importing, "apply_chunk", lambda *_: None)
        for _ in range(importing.MOST_ATTEMPTS + 1):
            shop.work_on(import_id)
        given_up = shop.report(import_id)["status"]
        desk.retry(import_id)
        for _ in range(importing.MOST_ATTEMPTS - 1):
            shop.work_on(import_id)

    shop.work_on(import_id)

    assert given_up == "failed"
    assert (shop.report(import_id)["status"], shop.counts(shop.report(import_id))) == ("finished", {"created": 3})


def test_an_abort_import_with_bad_rows_begins_anew(
    shop: Any, desk: Desk, client: TestClient, admin: SignedUser
) -> None:
    known, sku = shop.add(), shop.sku()
    text = f"{HEADER}{known['sku']},Torch,1\n" + "".join(f"{sku}{n},Lamp,1\n" for n in range(7))
    import_id = shop.upload(text, mode="create", on_error="abort")
    shop.work_on(import_id)
    failed = shop.report(import_id)
    shop.change(known["id"], sku=shop.sku())

    desk.retry(import_id)
    fresh = shop.report(import_id)
    shop.work_on(import_id)

    assert (failed["status"], failed["processed"], shop.counts(failed)) == ("failed", 8, {"failed": 1})
    assert (fresh["processed"], fresh["started_at"], shop.counts(fresh)) == (0, None, {})
    report = shop.report(import_id)
    assert (report["status"], report["processed"], shop.counts(report)) == ("finished", 8, {"created": 8})
    assert shop.bad_rows(str(import_id)) == []


def test_a_dry_run_goes_on_where_it_stood(shop: Any, desk: Desk, before_chunk: Any) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 12), dry_run=True)
    before_chunk(2, lambda: desk.cancel(import_id))
    shop.work_on(import_id)
    stopped = shop.report(import_id)

    desk.retry(import_id)
    shop.work_on(import_id)

    assert (stopped["processed"], shop.counts(stopped)) == (5, {"created": 5})
    assert (shop.report(import_id)["processed"], shop.counts(shop.report(import_id))) == (12, {"created": 12})


def test_of_those_who_try_again_at_once_one_does(shop: Any, desk: Desk, broker: Broker, sessions: Sessions) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 12))
    desk.cancel(import_id)
    before = broker.size(JOBS)

    answers = all_at_once(sessions, desk.retry, import_id)
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(shop.work_on, [import_id] * 2))
    shop.work_on(import_id)

    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert broker.size(JOBS) == before + 1
    assert shop.counts(shop.report(import_id)) == {"created": 12}


def test_a_worker_that_has_slept_through_a_retry_skips_no_check(
    shop: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from its last checked row; meanwhile the check was called off and began anew."""
    sku = shop.sku()
    import_id = shop.upload(shop.lamps(sku, 12), mode="create", on_error="abort")
    real = importing._end_phase

    def sleep_through(*args: Any) -> Any:
        desk.cancel(import_id)
        shop.add(sku=f"{sku}-7")
        desk.retry(import_id)
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_end_phase", sleep_through)
        shop.work_on(import_id)
    slept = shop.report(import_id)

    shop.work_on(import_id)

    assert (slept["status"], slept["processed"]) == ("pending", 0)
    report = shop.report(import_id)
    assert (report["status"], report["processed"], shop.counts(report)) == ("failed", 12, {"failed": 1})
    assert shop.client.get(f"/api/products/by-sku/{sku}-0/").status_code == 404


def test_what_is_stopped_and_begun_again_ends_as_if_nothing_had_happened(
    shop: Any, desk: Desk, before_chunk: Any
) -> None:
    calm, stormy = shop.sku(), shop.sku()
    shop.take_in(shop.lamps(calm, 22))
    import_id = shop.upload(shop.lamps(stormy, 22))
    for _ in range(4):
        before_chunk(2, lambda: desk.cancel(import_id))
        shop.work_on(import_id)
        desk.retry(import_id)
    shop.work_on(import_id)

    assert shop.counts(shop.report(import_id)) == {"created": 22}
    own = ("id", "sku", "created_at", "updated_at")
    for n in range(22):
        one, other = shop.see_sku(f"{calm}-{n}"), shop.see_sku(f"{stormy}-{n}")
        assert {k: v for k, v in one.items() if k not in own} == {k: v for k, v in other.items() if k not in own}
        assert shop.ledger(one["id"]) == shop.ledger(other["id"])
