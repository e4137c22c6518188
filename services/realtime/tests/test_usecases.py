"""Counting, against a real database."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from common import tidying
from common.clock import now
from common.database import Sessions, retried
from realtime import usecases
from realtime.models import LogEntry, Sold
from realtime.queries import Log
from realtime.usecases import count_sold, tidy


def _count(sessions: Sessions, changes: dict[int, int]) -> None:
    retried(_in_one_transaction)(sessions, changes)


def _in_one_transaction(sessions: Sessions, changes: dict[int, int]) -> None:
    with sessions.begin() as session:
        count_sold(session, changes)


def _head(sessions: Sessions) -> int:
    return Log(sessions).log(0)[0]


def test_every_change_is_logged_under_the_next_number_with_the_whole_count(sessions: Sessions, product: int) -> None:
    before = _head(sessions)
    _count(sessions, {product: 2})
    _count(sessions, {product: 3})
    head, entries = Log(sessions).log(before)
    assert head == before + 2
    assert [tuple(entry) for entry in entries] == [(before + 1, product, 2), (before + 2, product, 5)]


def test_a_change_of_nothing_takes_no_number(sessions: Sessions, product: int) -> None:
    before = _head(sessions)
    _count(sessions, {product: 0})
    _count(sessions, {})
    assert _head(sessions) == before


def test_a_count_below_zero_is_kept_and_never_shown(sessions: Sessions, product: int) -> None:
    before = _head(sessions)
    _count(sessions, {product: -2})
    assert Log(sessions).board().snapshot([product]).endswith(b'"sold_count":0}]}')
    _count(sessions, {product: 3})
    assert [entry.sold_count for entry in Log(sessions).log(before)[1]] == [0, 1]
    with sessions.begin() as session:
        assert session.scalar(select(Sold.sold).where(Sold.product_id == product)) == 1


def test_a_transaction_that_is_rolled_back_takes_no_number(sessions: Sessions, product: int) -> None:
    before = _head(sessions)
    with sessions() as session:
        count_sold(session, {product: 1})
        session.rollback()
    assert Log(sessions).log(before) == (before, [])


def test_counting_side_by_side_loses_nothing_and_leaves_no_gap_for_a_reader(sessions: Sessions, product: int) -> None:
    products = [product * 100 + i for i in range(6)]
    begin = _head(sessions)
    chance = random.Random(7)
    changes = [{chance.choice(products): chance.randint(-3, 9) for _ in range(3)} for _ in range(120)]
    seen: list[int] = []
    with ThreadPoolExecutor(8) as threads:
        counting = [threads.submit(_count, sessions, change) for change in changes]
        while not all(one.done() for one in counting):
            seen += [entry.seq for entry in Log(sessions).log(begin + len(seen))[1]]
        for one in counting:
            one.result()
    seen += [entry.seq for entry in Log(sessions).log(begin + len(seen))[1]]
    assert seen == list(range(begin + 1, _head(sessions) + 1))
    expected = {one: sum(change.get(one, 0) for change in changes) for one in products}
    with sessions.begin() as session:
        assert dict(session.execute(select(Sold.product_id, Sold.sold).where(Sold.product_id.in_(products))).all()) == (
            expected
        )


@pytest.mark.parametrize("chunk", [1, 1000])
def test_the_log_keeps_only_its_window_of_rows(
    sessions: Sessions, product: int, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(usecases, "WINDOW_ROWS", 2)
    monkeypatch.setattr(tidying, "CHUNK", chunk)
    for _ in range(4):
        _count(sessions, {product: 1})
    tidy(sessions)
    head, _ = Log(sessions).log(0)
    assert [entry.seq for entry in Log(sessions).log(0)[1]] == [head - 1, head]


def test_the_log_keeps_only_its_window_of_time(sessions: Sessions, product: int) -> None:
    _count(sessions, {product: 1})
    head = _head(sessions)
    with sessions.begin() as session:
        aged = update(LogEntry).where(LogEntry.seq == head).values(at=now() - timedelta(minutes=61))
        session.execute(aged)
    _count(sessions, {product: 1})
    tidy(sessions)
    assert [entry.seq for entry in Log(sessions).log(0)[1]] == [head + 1]
