"""What is said of an import while it goes on: often enough to watch it, never so often that it is slowed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from catalog import importing, jobs
from catalog.jobs import BETWEEN_S, REST_S, Progress
from catalog.upload_models import Import
from common.clock import now
from common.events import Event
from common.ids import new_id
from common.testing.broker import Broker

COUNTERS = ("status", "total", "processed", "created", "updated", "unchanged", "failed", "duplicates")


class Ear:
    """Hears what is said, unless it is deaf."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.deaf = False

    def __call__(self, event: Event) -> bool:
        self.heard.append(event)
        return not self.deaf

    def counts(self) -> list[tuple[str, int]]:
        return [(event.status, event.processed) for event in self.heard]


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def chatty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every chunk is told of."""
    monkeypatch.setattr(importing, "CHUNK", 5)
    monkeypatch.setattr(jobs, "BETWEEN_S", 0.0)


@pytest.mark.usefixtures("chatty")
def test_each_word_holds_the_counters_as_they_are_and_the_last_one_the_end(shop: Any, ear: Ear) -> None:
    import_id = shop.upload(f"{shop.lamps(shop.sku(), 11)}x,,,\n")

    shop.work_on(import_id, ear)

    assert ear.counts() == [("running", 5), ("running", 10), ("running", 12), ("finished", 12)]
    last, report = ear.heard[-1], shop.report(import_id)
    assert {name: getattr(last, name) for name in COUNTERS} == {name: report[name] for name in COUNTERS}
    assert (last.type, last.subject, last.created, last.failed) == ("import.progress", str(import_id), 11, 1)


@pytest.mark.usefixtures("chatty")
def test_the_sequence_only_grows_over_phases_and_retries(shop: Any, ear: Ear, client: Any, admin: Any) -> None:
    known, sku = shop.add(), shop.sku()
    import_id = shop.upload(f"sku,name,price\n{known['sku']},Torch,1\n{sku},Lamp,1\n", mode="create", on_error="abort")
    shop.work_on(import_id, ear)
    shop.change(known["id"], sku=shop.sku())
    client.post(f"/api/products/bulk-upload/{import_id}/retry/", headers=admin.headers)

    shop.work_on(import_id, ear)

    assert ear.counts() == [("running", 2), ("failed", 2), ("running", 2), ("running", 2), ("finished", 2)]
    sequences = [event.sequence for event in ear.heard]
    assert sequences == sorted(set(sequences))


@pytest.mark.usefixtures("chatty")
def test_the_worker_tells_of_an_end_that_others_have_brought_about(
    shop: Any, ear: Ear, client: Any, admin: Any
) -> None:
    def cancel() -> None:
        client.post(f"/api/products/bulk-upload/{import_id}/cancel/", headers=admin.headers)

    def ear_that_cancels(event: Event) -> bool:
        if not ear.heard:
            cancel()
        return ear(event)

    import_id = shop.upload(shop.lamps(shop.sku(), 12))
    shop.work_on(import_id, ear_that_cancels)
    import_id = shop.upload(shop.lamps(shop.sku(), 12))
    cancel()
    shop.work_on(import_id, ear)

    assert ear.counts() == [("running", 5), ("cancelled", 5), ("cancelled", 0)]


def test_a_redelivered_task_tells_of_the_end_once_more(shop: Any, ear: Ear) -> None:
    import_id = shop.upload(shop.lamps(shop.sku(), 3))
    shop.work_on(import_id)

    shop.work_on(import_id, ear)

    assert ear.counts() == [("finished", 3)]


def test_what_nobody_hears_stops_no_import(shop: Any, ear: Ear) -> None:
    ear.deaf = True
    import_id = shop.upload(shop.lamps(shop.sku(), 3))

    shop.work_on(import_id, ear)

    assert shop.report(import_id)["status"] == "finished"


# How often


@pytest.fixture
def job() -> Import:
    """An import in the midst of its work."""
    counters = dict.fromkeys((*COUNTERS[2:], "ignored"), 0)
    return Import(id=new_id(), status="running", total=9, touched_at=now(), **counters)


@pytest.fixture
def say_at(ear: Ear, job: Import) -> Callable[[float], int]:
    """How much was heard after a chunk that was done at this moment."""
    moment = 0.0
    progress = Progress(ear, lambda: moment)

    def say(at: float) -> int:
        nonlocal moment
        moment = at
        progress.say(job)
        return len(ear.heard)

    return say


@pytest.mark.unit
def test_the_first_chunk_is_told_at_once_and_then_two_a_second_at_most(say_at: Callable[[float], int]) -> None:
    moments = [0.0, 0.1, 0.49, BETWEEN_S, 0.6, 0.99, 1.0, 7.0, 7.1]

    assert [say_at(moment) for moment in moments] == [1, 1, 1, 2, 2, 2, 3, 4, 4]


@pytest.mark.unit
def test_a_broker_that_is_away_is_left_alone_for_a_while(say_at: Callable[[float], int], ear: Ear) -> None:
    ear.deaf = True

    assert [say_at(moment) for moment in (0.0, BETWEEN_S, REST_S - 0.1, REST_S, REST_S + 1)] == [1, 1, 1, 2, 2]


@pytest.mark.unit
def test_a_clock_that_is_behind_turns_no_sequence_back(job: Import) -> None:
    job.touched_at = now() + timedelta(hours=1)
    before = job.sequence

    job.count(created=1)

    assert job.sequence == before + 1


@pytest.mark.unit
def test_the_end_is_told_whatever_was_told_just_before(ear: Ear, job: Import) -> None:
    progress = Progress(ear, lambda: 0.0)
    progress.say(job)
    job.status = "finished"

    progress.say_end(job)

    assert [event.status for event in ear.heard] == ["running", "finished"]


# The real way


def test_the_task_tells_over_its_own_broker(shop: Any, broker: Broker) -> None:
    from catalog import tasks

    import_id = shop.upload(shop.lamps(shop.sku(), 3))
    tap = shop.tap("import.*")

    tasks.run_import(str(import_id))

    said = broker.take(tap, 3)
    assert sorted(event["type"] for event in said) == ["import.finished", "import.progress", "import.progress"]
    progress = [event["data"]["status"] for event in said if event["type"] == "import.progress"]
    assert progress == ["running", "finished"]
