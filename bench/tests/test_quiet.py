"""When silence is believed."""

import asyncio
from collections.abc import Iterator

import pytest

from replaying.quiet import UNSENT, Traffic, wait_until_quiet

pytestmark = pytest.mark.unit

SILENT = Traffic(0, 0, 0, 0)


def wait(looks: Iterator[Traffic], *, limit_s: float = 60.0, hold_s: float = 0.0) -> tuple[Traffic, int]:
    """What was seen last, and after how many looks."""
    seen: list[Traffic] = []

    async def look() -> Traffic:
        return next(looks)

    return asyncio.run(wait_until_quiet(look, limit_s, seen.append, hold_s, poll_s=0)), len(seen)


def test_it_waits_until_nothing_is_on_its_way() -> None:
    looks = iter([Traffic(3, 0, 0, 0), Traffic(0, 2, 0, 0), Traffic(0, 0, 1, 0), SILENT])
    assert wait(looks) == (SILENT, 4)


def test_a_silence_that_is_broken_begins_anew() -> None:
    looks = iter([SILENT, Traffic(0, 1, 0, 0), *[SILENT] * 1_000_000])
    traffic, count = wait(looks, hold_s=0.05)
    assert traffic == SILENT
    assert count > 3


def test_what_never_moves_is_told_as_it_is() -> None:
    stuck = Traffic(0, 1, 0, 0)
    assert wait(iter([stuck] * 1_000_000), limit_s=0.01)[0] == stuck


def test_dead_letters_are_told_and_not_waited_for() -> None:
    assert wait(iter([Traffic(0, 0, 0, 5)])) == (Traffic(0, 0, 0, 5), 1)


def test_the_unsent_events_are_read_from_the_metrics() -> None:
    text = '# TYPE stoa_outbox_unsent gauge\nstoa_outbox_unsent{service="orders"} 12.0\nstoa_outbox_unsent_x 3.0\n'
    assert UNSENT.findall(text) == ["12.0"]
