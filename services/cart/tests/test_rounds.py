"""Who compares the copy with catalog, which page and when, and what happens when catalog or a process is away."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from cart.clients import Catalog
from cart.comparing import LEASE, REST, compare_next
from cart.copying import PAGE
from cart.models import THE_ROUND, Round
from common.clock import now
from common.database import Sessions, new_engine, new_sessions
from common.events.catalog import ProductCreated
from common.testing.broker import Broker
from common.testing.signing import SignedUser
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually

from .listing import PRODUCTS, copies, keep, lists, told

SERVICE = Path(__file__).parents[1]

NewProduct = Callable[..., ProductCreated]


def round_of(sessions: Sessions) -> Round:
    with sessions.begin() as session:
        return session.get_one(Round, THE_ROUND)


def let_it_be_due(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.get_one(Round, THE_ROUND).due_at = now()


def test_a_round_goes_page_by_page_and_then_rests(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    products = [product() for _ in range(PAGE + 1)]
    lists(sister, *products)
    for _ in range(5):
        compare_next(own, listed)

    assert copies(own) == told(*products)
    pages = [parse_qs(urlsplit(path).query)["after"] for _, path, _ in sister.asked]
    assert pages == [["0"], [str(products[PAGE - 1].product_id)]]
    assert round_of(own).after == 0
    assert now() + REST / 2 < round_of(own).due_at <= now() + REST


def test_of_many_processes_one_takes_a_page(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    lists(sister, product())
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: compare_next(own, listed), range(16)))

    assert len(sister.asked) == 1


@pytest.mark.parametrize("answer", [(503, {}), (200, {"products": "none"}), (404, {})], ids=str)
def test_a_catalog_that_does_not_answer_is_asked_the_same_again_later(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct, answer: tuple[int, Any]
) -> None:
    known, new = product(), product()
    keep(own, known)
    sister.answer("GET", PRODUCTS, lambda *_: answer)
    for _ in range(3):
        compare_next(own, listed)
    assert len(sister.asked) == 1
    assert copies(own) == told(known)
    assert now() < round_of(own).due_at <= now() + LEASE

    lists(sister, known, new)
    let_it_be_due(own)
    compare_next(own, listed)
    assert copies(own) == told(known, new)


def test_a_page_whose_process_died_is_taken_by_another(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    first, second = product(), product()
    with own.begin() as session:
        session.add(Round(id=THE_ROUND, after=first.product_id, due_at=now() - timedelta(seconds=1)))
    lists(sister, first, second)
    compare_next(own, listed)

    assert copies(own) == told(second)


def test_a_process_that_was_too_slow_leaves_the_round_to_the_other(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    due = now() + timedelta(seconds=30)

    def overtake() -> None:
        with own.begin() as session:
            turn = session.get_one(Round, THE_ROUND)
            turn.after, turn.due_at = 77, due

    lists(sister, product(), first=overtake)
    compare_next(own, listed)

    assert (round_of(own).after, round_of(own).due_at) == (77, due)


# The service


def test_a_service_fills_an_empty_copy_by_itself(
    new_schema: Callable[[Path], str],
    new_broker: Callable[[], Broker],
    beside: Callable[..., TestClient],
    sister: FakeSister,
    product: NewProduct,
    user: SignedUser,
) -> None:
    lantern = product()
    lists(sister, lantern)
    url = new_schema(SERVICE)
    client = beside(database_url=url, broker_url=new_broker().url, catalog_url=sister.url)
    engine = new_engine(url)
    eventually(lambda: copies(new_sessions(engine)) == told(lantern))
    engine.dispose()

    answer = client.post("/api/cart/add_item/", json={"product_id": lantern.product_id}, headers=user.headers)
    assert answer.json()["items"][0]["product"]["name"] == lantern.name
    assert not [path for _, path, _ in sister.asked if "ids=" in path]
