"""The gatherer's tests: alone at once, in crowds together."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from common.gathering import MANY, Closed, Gatherer

pytestmark = pytest.mark.unit

MOST = 20
NEVER_S = 3600.0
"""A pause that nobody lives to see the end of: whoever waits for it hangs."""
LONGEST_S = 10


def told(story: Callable[[Gatherer[int]], Awaitable[None]], pause_s: float = NEVER_S) -> None:
    async def tell() -> None:
        await asyncio.wait_for(story(Gatherer(MOST, pause_s)), LONGEST_S)

    asyncio.run(tell())


async def put(gatherer: Gatherer[int], *items: int) -> None:
    for item in items:
        await gatherer.put(item)


async def crowd(gatherer: Gatherer[int]) -> None:
    """So many at once that the next are waited for."""
    await put(gatherer, *range(MANY))
    assert await gatherer.take() == list(range(MANY))


def test_what_comes_alone_is_taken_at_once() -> None:
    async def story(gatherer: Gatherer[int]) -> None:
        for number in range(MANY):
            await put(gatherer, number)
            assert await gatherer.take() == [number]

    told(story)


def test_what_is_there_is_taken_together_up_to_the_most() -> None:
    async def story(gatherer: Gatherer[int]) -> None:
        await put(gatherer, *range(MOST + 3))
        assert await gatherer.take() == list(range(MOST))

    told(story)


def test_in_a_crowd_the_first_waits_for_the_others() -> None:
    async def story(gatherer: Gatherer[int]) -> None:
        await crowd(gatherer)
        taking = asyncio.create_task(gatherer.take())
        for number in range(MOST):
            await put(gatherer, number)
            await asyncio.sleep(0)
        assert await taking == list(range(MOST))

    told(story)


def test_no_longer_than_the_pause() -> None:
    async def story(gatherer: Gatherer[int]) -> None:
        await crowd(gatherer)
        await put(gatherer, 1)
        assert await gatherer.take() == [1]

    told(story, pause_s=0.01)


def test_a_crowd_of_long_ago_is_none() -> None:
    async def story(gatherer: Gatherer[int]) -> None:
        await crowd(gatherer)
        loop = asyncio.get_running_loop()
        ago = loop.time() + 2 * NEVER_S
        loop.time = lambda: ago  # type: ignore[method-assign]
        await put(gatherer, 1)
        assert await gatherer.take() == [1]

    asyncio.run(story(Gatherer(MOST, NEVER_S)))


@pytest.mark.parametrize("waiting", [0, 3])
def test_the_end_is_told_whatever_waits(waiting: int) -> None:
    async def story(gatherer: Gatherer[int]) -> None:
        await crowd(gatherer)
        await put(gatherer, *range(waiting))
        gatherer.close()
        with pytest.raises(Closed):
            await gatherer.take()

    told(story)
