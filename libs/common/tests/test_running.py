"""The background's tests: work that breaks comes back, work that is told to stop stops."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from common import running
from common.running import Background, Every, Steady, cancelled, keep_running, together
from common.testing.waiting import eventually

pytestmark = pytest.mark.unit
Keep = Callable[[Background], Any]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(running, "LONGEST_PAUSE_S", 0.01)


def test_work_that_breaks_is_run_again(keep: Keep) -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)
        raise OSError("broken")

    keep(Steady("fragile", work))
    eventually(lambda: len(runs) > 5)


def test_work_that_simply_ends_is_run_again(keep: Keep) -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)

    keep(Steady("short", work))
    eventually(lambda: len(runs) > 5)


def test_a_cancellation_that_is_not_ours_does_not_end_the_work(keep: Keep) -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirm.cancel()
        await confirm

    kept = keep(Steady("cut off", work))
    eventually(lambda: len(runs) > 5)
    kept.stop()
    stopped = len(runs)
    assert not kept.alive
    assert len(runs) == stopped


def test_work_that_waits_ends_when_it_is_told_to(keep: Keep) -> None:
    happened: list[str] = []

    async def work() -> None:
        happened.append("waits")
        try:
            await asyncio.Event().wait()
        finally:
            happened.append("is told")

    kept = keep(Steady("idle", work))
    eventually(lambda: happened)
    kept.stop()
    assert happened == ["waits", "is told"]


def test_work_that_swallows_its_cancellation_is_told_again() -> None:
    told: list[int] = []

    async def stubborn() -> None:
        while len(told) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append(1)

    async def story() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await cancelled([task], again_s=0.01)
        assert task.done()

    asyncio.run(story())
    assert len(told) == 3


def test_cancelling_nothing_ends_at_once() -> None:
    asyncio.run(cancelled([]))


def test_pauses_grow_to_a_limit_and_are_forgotten_after_a_good_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_PAUSE_S", 1.0)
    monkeypatch.setattr(running, "LONGEST_PAUSE_S", 4.0)
    monkeypatch.setattr(running.random, "uniform", lambda *_: 1.0)
    pauses: list[float] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        ahead = 0.0
        real = loop.time
        sleep = asyncio.sleep
        monkeypatch.setattr(loop, "time", lambda: real() + ahead)

        async def pause(seconds: float) -> None:
            if asyncio.get_running_loop() is not loop:
                await sleep(seconds)  # a server of another test, in its own thread
                return
            pauses.append(seconds)
            if len(pauses) == 7:
                raise KeyError

        async def work() -> None:
            nonlocal ahead
            if len(pauses) == 4:
                ahead += 60

        monkeypatch.setattr(running.asyncio, "sleep", pause)
        with pytest.raises(KeyError):
            await keep_running(Steady("work", work))

    asyncio.run(story())
    assert pauses == [1, 2, 4, 4, 1, 2, 4]


def test_a_use_case_is_run_again_and_again_in_a_thread(keep: Keep) -> None:
    threads: list[str] = []
    keep(Every("sweep", 0.001, lambda: threads.append(threading.current_thread().name)))
    eventually(lambda: len(threads) > 5)
    assert not any(name.startswith("sweep") for name in threads)


def test_a_use_case_that_breaks_is_run_again(keep: Keep) -> None:
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        raise ZeroDivisionError

    keep(Every("sweep", 0.001, work))
    eventually(lambda: len(runs) > 5)


def test_parts_end_with_the_whole_even_if_one_swallows_the_first_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CANCEL_WITHIN_S", 0.01)
    told: list[str] = []

    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told.append("again")
                if len(told) > 1:
                    raise

    async def story() -> None:
        whole = asyncio.create_task(together(deaf(), asyncio.sleep(60)))
        await asyncio.sleep(0.01)
        await cancelled([whole])

    asyncio.run(asyncio.wait_for(story(), 20))
    assert told == ["again", "again"]


def test_a_part_that_breaks_ends_the_others_and_is_heard_of() -> None:
    ended: list[str] = []

    async def patient() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("patient")

    async def fragile() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        asyncio.run(together(patient(), fragile()))
    assert ended == ["patient"]
