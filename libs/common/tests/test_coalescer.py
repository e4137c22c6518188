"""The coalescer's tests: alone at low load, together at high load, each with its own fate."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy.exc import OperationalError

from common.coalescer import CROWD, Coalescer, in_threads
from common.errors import Conflict, Problem, Unavailable

pytestmark = pytest.mark.unit


class Work:
    """Doubles numbers, once the gate is open; keeps the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: Sequence[int]) -> Sequence[int | Problem]:
        self.batches.append(list(items))
        assert self.gate.wait(10)
        return [item * 2 for item in items]


async def begun(work: Work, batches: int) -> None:
    deadline = time.monotonic() + 10
    while len(work.batches) < batches:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


def test_at_low_load_a_batch_is_one_item_and_waits_for_nothing() -> None:
    work = Work()

    async def story() -> list[int]:
        coalescer = Coalescer(in_threads(work))
        return [await coalescer.submit(number) for number in (1, 2, 3)]

    assert asyncio.run(story()) == [2, 4, 6]
    assert work.batches == [[1], [2], [3]]


def test_under_load_items_gather_while_a_batch_is_on_its_way() -> None:
    work = Work()

    async def story() -> list[int]:
        coalescer = Coalescer(in_threads(work, 2), most=64, in_flight=2)
        work.gate.clear()
        tasks = [asyncio.create_task(coalescer.submit(number)) for number in range(150)]
        await begun(work, 2)
        work.gate.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(story()) == [number * 2 for number in range(150)]
    assert sorted(map(len, work.batches)) == [1, 1, 20, 64, 64]
    assert sorted(item for batch in work.batches for item in batch) == list(range(150))


def test_in_a_crowd_those_who_come_again_leave_with_those_who_came_meanwhile() -> None:
    work = Work()

    async def twice(coalescer: Coalescer[int, int], number: int) -> None:
        await coalescer.submit(number)
        await coalescer.submit(number + 100)

    async def story() -> None:
        coalescer = Coalescer(in_threads(work), pause_s=0.05)
        work.gate.clear()
        first = asyncio.create_task(coalescer.submit(0))
        crowd = [asyncio.create_task(twice(coalescer, number)) for number in range(1, 1 + CROWD)]
        await begun(work, 1)
        work.gate.set()
        await first
        other = asyncio.create_task(coalescer.submit(99))
        await asyncio.gather(other, *crowd)

    asyncio.run(story())
    assert sorted(map(sorted, work.batches)) == [[0], [1, 2, 3, 4], [99, 101, 102, 103, 104]]


def test_nobody_else_waits_for_company() -> None:
    async def story() -> list[int]:
        coalescer = Coalescer(in_threads(Work()), pause_s=3600)
        async with asyncio.timeout(10):
            return [await coalescer.submit(number) for number in range(2 * CROWD)]

    assert asyncio.run(story()) == [2 * number for number in range(2 * CROWD)]


def test_never_more_batches_are_on_their_way_than_allowed() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def work(items: Sequence[int]) -> Sequence[int]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002)
        with lock:
            running -= 1
        return items

    async def story() -> None:
        coalescer: Coalescer[int, int] = Coalescer(in_threads(work, 2), most=2, in_flight=2)
        await asyncio.gather(*(coalescer.submit(number) for number in range(60)))

    asyncio.run(story())
    assert most == 2


async def together(coalescer: Coalescer[int, int], numbers: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*(coalescer.submit(number) for number in numbers), return_exceptions=True)


def test_a_problem_is_the_items_own() -> None:
    def work(items: Sequence[int]) -> Sequence[int | Problem]:
        return [Conflict(f"not {item}") if item % 2 else item for item in items]

    async def story() -> list[int | BaseException]:
        return await together(Coalescer(in_threads(work)), range(6))

    outcomes = asyncio.run(story())
    assert outcomes[::2] == [0, 2, 4]
    assert [str(problem) for problem in outcomes[1::2]] == ["not 1", "not 3", "not 5"]
    assert all(isinstance(problem, Conflict) for problem in outcomes[1::2])


def test_a_batch_that_fails_is_run_again_one_by_one() -> None:
    batches: list[list[int]] = []

    def work(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        if 13 in items:
            raise ZeroDivisionError("thirteen")
        return items

    async def story() -> list[int | BaseException]:
        return await together(Coalescer(in_threads(work)), range(10, 20))

    outcomes = asyncio.run(story())
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [10, 11, 12, 14, 15, 16, 17, 18, 19]
    assert isinstance(outcomes[3], ZeroDivisionError)
    assert batches[1] == list(range(11, 20))
    assert batches[2:] == [[number] for number in range(11, 20)]


def gone() -> OperationalError:
    return OperationalError("SELECT 1", {}, Exception(2003, "cannot connect"))


@pytest.mark.parametrize("failure", [gone, lambda: Unavailable("catalog does not answer")])
def test_what_all_of_them_need_being_away_answers_all_of_them_at_once(failure: Callable[[], Exception]) -> None:
    batches: list[int] = []

    def work(items: Sequence[int]) -> Sequence[int]:
        batches.append(len(items))
        raise failure()

    async def story() -> list[int | BaseException]:
        return await together(Coalescer(in_threads(work)), range(10))

    assert {type(outcome) for outcome in asyncio.run(story())} == {type(failure())}
    assert batches == [1, 9]


def test_when_too_many_wait_the_next_is_refused_at_once() -> None:
    work = Work()

    async def story() -> list[int]:
        coalescer = Coalescer(in_threads(work), waiting=3)
        work.gate.clear()
        tasks = [asyncio.create_task(coalescer.submit(number)) for number in range(4)]
        await begun(work, 1)
        with pytest.raises(Unavailable) as refused:
            await coalescer.submit(5)
        assert refused.value.problem_code == "overloaded"
        assert "Retry-After" in refused.value.headers
        work.gate.set()
        results = await asyncio.gather(*tasks)
        return [*results, await coalescer.submit(5)]

    assert asyncio.run(story()) == [0, 2, 4, 6, 10]


def test_a_caller_who_goes_away_leaves_the_batch_whole() -> None:
    work = Work()

    async def story() -> list[int]:
        coalescer = Coalescer(in_threads(work))
        work.gate.clear()
        tasks = [asyncio.create_task(coalescer.submit(number)) for number in range(5)]
        await begun(work, 1)
        tasks[0].cancel()
        tasks[3].cancel()
        work.gate.set()
        results = await asyncio.gather(*(tasks[number] for number in (1, 2, 4)))
        return [*results, await coalescer.submit(9)]

    assert asyncio.run(story()) == [2, 4, 8, 18]


def test_work_that_forgets_a_result_is_an_error_and_not_a_wait_without_end() -> None:
    async def story() -> list[int | BaseException]:
        async with asyncio.timeout(10):
            return await together(Coalescer(in_threads(lambda items: items[1:])), range(3))

    assert {type(outcome) for outcome in asyncio.run(story())} == {RuntimeError}


def test_when_the_work_is_stopped_nobody_is_left_waiting() -> None:
    def work(_: Sequence[int]) -> Sequence[int]:
        raise SystemExit

    async def story() -> int | BaseException:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        async with asyncio.timeout(10):
            return (await together(Coalescer(in_threads(work)), [1]))[0]

    with pytest.raises(SystemExit):
        asyncio.run(story())
