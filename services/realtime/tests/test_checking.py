"""The counts held against catalog's: what differs is named, unless it only moves."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import delete, select

from common.database import Sessions
from common.http import opened_sister
from common.outbox import inbox
from common.testing.badges import Badges
from common.testing.sisters import FakeSister
from realtime import checking
from realtime.checking import see_counts
from realtime.clients import Catalog
from realtime.commands import main
from realtime.models import Sold, Stream
from realtime.settings import RealtimeSettings

KNOWN = {3: 5, 4: 0, 7: 2, 9: 1}
"""What catalog has sold."""


@pytest.fixture
def catalog(sister: FakeSister, badges: Badges, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    """Catalog, asked for two products at a time."""
    monkeypatch.setattr(checking, "PAGE", 2)
    sister.answer("GET", "/internal/products/", _sells(KNOWN))
    with opened_sister("catalog", sister.url, "realtime", badges.key("realtime"), 5) as asked:
        yield Catalog(asked)


def _sells(sold: dict[int, int], first: Callable[[], object] = object) -> Callable[..., tuple[int, Any]]:
    def answer(path: str, _: Any) -> tuple[int, Any]:
        first()
        asked = {name: words[0] for name, words in parse_qs(urlsplit(path).query).items()}
        ids = [int(word) for word in asked["ids"].split(",")] if "ids" in asked else list(sold)
        page = [each for each in ids if each in sold and each > int(asked.get("after", 0))][: int(asked["limit"])]
        return 200, {"products": [{"id": each, "sold": sold[each]} for each in page]}

    return answer


@pytest.fixture
def count(sessions: Sessions) -> Callable[[dict[int, int]], None]:
    """Writes the counts behind everybody's back."""

    def write(counts: dict[int, int]) -> None:
        with sessions.begin() as session:
            session.execute(delete(Sold))
            session.add_all([Sold(product_id=product, sold=sold) for product, sold in counts.items()])

    return write


def test_counts_that_agree_are_well(
    sessions: Sessions, catalog: Catalog, count: Callable[[dict[int, int]], None]
) -> None:
    count({product: sold for product, sold in KNOWN.items() if sold})
    assert see_counts(sessions, catalog, 0).sentence == "4 products"


def test_each_count_that_differs_is_named(
    sessions: Sessions, catalog: Catalog, count: Callable[[dict[int, int]], None]
) -> None:
    count({3: 5, 4: 1, 7: 2, 8: 6, 11: 4})
    for patience_s in (0, 0.3):
        assert list(see_counts(sessions, catalog, patience_s).wrong) == [
            "product 4: counted are 1, catalog has sold 0",
            "product 8: counted are 6, catalog has sold 0",
            "product 9: counted are 0, catalog has sold 1",
            "product 11: counted are 4, catalog has sold 0",
        ]


def test_a_count_that_is_only_late_is_no_fault(
    sessions: Sessions, sister: FakeSister, catalog: Catalog, count: Callable[[dict[int, int]], None]
) -> None:
    asked: list[int] = []

    def catch_up() -> None:
        asked.append(1)
        if len(asked) == 5:
            count(KNOWN)

    count({3: 5, 7: 1, 9: 1})
    sister.answer("GET", "/internal/products/", _sells(KNOWN, catch_up))
    assert see_counts(sessions, catalog, 10).wrong == []
    assert len(asked) > 5, "equal only because the count moved while catalog was asked is not equal"


def test_after_a_restore_the_streams_have_new_names_and_higher_numbers(
    sessions: Sessions,
    settings: RealtimeSettings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("database_url", "broker_url", "redis_url"):
        monkeypatch.setenv(f"STOA_{name.upper()}", getattr(settings, name))
    with sessions.begin() as session:
        before = {row.id: (row.name, row.seq) for row in session.scalars(select(Stream))}
        session.execute(delete(inbox))
    assert main(["resume"]) == 0
    with sessions.begin() as session:
        after = {row.id: (row.name, row.seq) for row in session.scalars(select(Stream))}
    assert {key: seq + 1 for key, (_, seq) in before.items()} == {key: seq for key, (_, seq) in after.items()}
    assert not {name for name, _ in before.values()} & {name for name, _ in after.values()}
