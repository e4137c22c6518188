"""Files whose worker dies, has a double, or meets others at the same products: nothing is done twice or lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from catalog import importing
from catalog.files import lines_of
from catalog.importing import apply_chunk
from catalog.upload_models import Import
from common.database import Sessions
from common.testing.broker import Broker


class Killed(BaseException):
    """The worker is gone."""


def breaking_at(number: int) -> Callable[..., Any]:
    """The step after a chunk's rows are written, in the midst of which the worker dies the n-th time."""
    calls = iter(range(1, 1000))
    real = importing._keep

    def step(*args: Any) -> None:
        if next(calls) == number:
            raise Killed
        real(*args)

    return step


def test_a_killed_worker_s_successor_goes_on_at_the_next_chunk(
    shop: Any, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 100)
    tap = shop.tap("product.*", "import.finished")
    import_id = shop.upload(shop.lamps(shop.sku(), 307))
    with monkeypatch.context() as patched:
        patched.setattr(importing, "_keep", breaking_at(2))
        with pytest.raises(Killed):
            shop.work_on(import_id)
    half_way = shop.report(import_id)

    shop.work_on(import_id)

    assert (half_way["status"], half_way["processed"], half_way["created"]) == ("running", 100, 100)
    report = shop.report(import_id)
    assert (report["status"], shop.counts(report)) == ("finished", {"created": 307})
    said = broker.take(tap, 308)
    assert len({event["data"].get("sku") for event in said}) == 308
    assert broker.size(tap) == 0


def test_a_task_delivered_again_does_nothing(shop: Any, broker: Broker) -> None:
    import_id = UUID(shop.take_in(shop.lamps(shop.sku(), 3))["task_id"])
    before = shop.report(import_id)
    tap = shop.tap("#")

    shop.work_on(import_id)

    assert shop.report(import_id) == before
    shop.add(name="after")
    assert broker.take(tap, 1)[0]["data"]["name"] == "after"


def test_two_workers_with_one_task_do_each_chunk_once(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 50)
    import_id = shop.upload(shop.lamps(shop.sku(), 1000))

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: shop.work_on(import_id), range(4)))
    shop.work_on(import_id)

    report = shop.report(import_id)
    assert (report["status"], shop.counts(report), report["processed"]) == ("finished", {"created": 1000}, 1000)


def test_a_chunk_that_is_not_next_is_not_written(shop: Any, sessions: Sessions, settings: Any) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 3))
    with sessions.begin() as session:
        session.execute(update(Import).where(Import.id == import_id).values(status="running"))
        file = session.get(Import, import_id).file
    lines = list(lines_of(settings.upload_dir / file, "csv"))

    assert not apply_chunk(sessions, import_id, 1, lines, "EUR")
    assert apply_chunk(sessions, import_id, 0, lines, "EUR")
    assert not apply_chunk(sessions, import_id, 0, lines, "EUR")
    assert shop.report(import_id)["processed"] == 3


def test_two_files_about_the_same_new_products_make_them_once(shop: Any) -> None:
    sku = shop.sku()
    text = shop.lamps(sku, 300)
    ids = [shop.upload(text) for _ in range(4)]

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(shop.work_on, ids))

    reports = [shop.report(import_id) for import_id in ids]
    assert {report["status"] for report in reports} == {"finished"}
    assert sum(report["created"] for report in reports) == 300
    assert sum(report["unchanged"] for report in reports) == 900


def test_holds_go_on_while_a_file_changes_the_same_products(shop: Any, deadlocks: list[Any]) -> None:
    products = [shop.add(stock=1000) for _ in range(20)]
    files = [
        "sku,price,stock\n" + "".join(f"{p['sku']},{n}.00,{1000 + n}\n" for p in reversed(products)) for n in range(8)
    ]
    ids = [shop.upload(text) for text in files]
    wishes = [shop.wish({p["id"]: 1 for p in products[n % 5 :]}) for n in range(60)]

    with ThreadPoolExecutor(8) as crowd:
        works = [crowd.submit(shop.work_on, import_id) for import_id in ids]
        holds = [crowd.submit(shop.hold, wish) for wish in wishes]
        for work in works:
            work.result()
        outcomes = {hold.result()[0]["outcome"] for hold in holds}

    assert outcomes == {"held"}
    assert {shop.report(import_id)["status"] for import_id in ids} == {"finished"}
    assert shop.counters(products[-1]["id"])[1] == 60
    assert deadlocks == []


def test_a_file_that_is_gone_ends_the_import_with_a_reason(shop: Any, sessions: Sessions, settings: Any) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 3))
    with sessions.begin() as session:
        (settings.upload_dir / session.get(Import, import_id).file).unlink()

    shop.work_on(import_id)

    report = shop.report(import_id)
    assert (report["status"], report["processed"]) == ("failed", 0)
    assert "cannot be read" in report["reason"]


def test_an_import_that_never_gets_anywhere_is_given_up(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 3))
    with monkeypatch.context() as patched:
        for _ in range(importing.MOST_ATTEMPTS):
            patched.setattr(importing, "_keep", breaking_at(1))
            with pytest.raises(Killed):
                shop.work_on(import_id)

    shop.work_on(import_id)

    assert shop.report(import_id)["status"] == "failed"
    assert "given up" in shop.report(import_id)["reason"]


def test_the_end_is_told_under_the_older_name_too(shop: Any, client: Any, admin: Any) -> None:
    report = shop.take_in(shop.lamps(shop.sku(), 3))

    task = client.get(f"/api/products/scheduled_tasks/?task_id={report['task_id']}", headers=admin.headers).json()

    assert (task["status"], task["result"]) == ("SUCCESS", report)
