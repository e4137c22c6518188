"""Finished pages: right after every change, made once however many ask, and bounded."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from catalog import finished
from catalog.finished import Answers, Finished
from catalog.freshness import Freshness, Shown
from catalog.versions import FACTS, STOCK, move
from common.database import Sessions, new_engine, new_sessions
from common.testing.signing import SignedUser
from common.testing.waiting import eventually


@pytest.fixture
def freshness(sessions: Sessions) -> Iterator[Freshness]:
    """The freshness of a process that commits through `sessions`."""
    freshness = Freshness(sessions)
    yield freshness
    freshness.close()


@pytest.fixture
def other(database_url: str) -> Iterator[Sessions]:
    """Another process's way into the schema, whose commits this one does not hear."""
    engine = new_engine(database_url, pool_size=1)
    yield new_sessions(engine)
    engine.dispose()


def _commit(sessions: Sessions, name: str) -> None:
    with sessions.begin() as session:
        move(session, name)


async def _until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


def test_a_commit_of_this_process_is_known_at_once(freshness: Freshness, sessions: Sessions) -> None:
    async def work() -> None:
        before = await freshness.version()
        assert await freshness.version() == before
        _commit(sessions, FACTS)
        assert freshness.known() is None
        assert await freshness.version() == (before[0] + 1, before[1])

    asyncio.run(work())


def test_a_commit_of_another_process_is_known_soon(freshness: Freshness, other: Sessions) -> None:
    async def work() -> None:
        before = await freshness.version()
        _commit(other, FACTS)

        async def is_known() -> bool:
            return await freshness.version() > before

        await _until(is_known)

    asyncio.run(work())


def test_under_load_pages_follow_the_stock_only_now_and_then(
    freshness: Freshness, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.freshness.STOCK_S", 3600.0)
    freshness._followed = -3601.0

    async def work() -> None:
        first = await freshness.version()  # follows, and not again for an hour
        for _ in range(3):
            _commit(sessions, STOCK)
            assert (await freshness.version())[1] == first[1]
        monkeypatch.setattr("catalog.freshness.STOCK_S", 0.0)
        _commit(sessions, STOCK)
        assert (await freshness.version())[1] == first[1] + 4

    asyncio.run(work())


def test_a_look_that_began_before_a_commit_does_not_hide_it(
    freshness: Freshness, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = freshness._read
    read_once, go_on = threading.Event(), threading.Event()

    def slowly() -> Any:
        found = read()
        read_once.set()
        go_on.wait(10)
        return found

    async def work() -> None:
        before = read().facts
        monkeypatch.setattr(freshness, "_read", slowly)
        asked = asyncio.create_task(freshness.version())
        await asyncio.to_thread(read_once.wait, 10)
        _commit(sessions, FACTS)
        go_on.set()
        assert (await asked)[0] == before + 1

    asyncio.run(work())


class Still:
    """A freshness that a test moves by hand."""

    def __init__(self) -> None:
        self.shown: Shown = (1, 1)

    def known(self) -> Shown | None:
        return self.shown

    async def version(self) -> Shown:
        return self.shown


@pytest.fixture
def still() -> Still:
    return Still()


@pytest.fixture
def answers(still: Still) -> Iterator[Answers]:
    answers = Answers(still)  # type: ignore[arg-type]
    yield answers
    answers.close()


def test_an_answer_is_made_once_for_all_who_wait(answers: Answers) -> None:
    made: list[int] = []
    go_on = threading.Event()

    def make() -> bytes:
        made.append(1)
        go_on.wait(10)
        return b"{}"

    async def work() -> None:
        waiting = [asyncio.create_task(answers.get("a", make)) for _ in range(50)]
        await asyncio.sleep(0)
        go_on.set()
        assert {answer.body for answer in await asyncio.gather(*waiting)} == {b"{}"}
        await answers.get("a", make)

    asyncio.run(work())
    assert len(made) == 1


def test_whoever_gives_up_waiting_takes_nothing_from_the_others(answers: Answers) -> None:
    go_on = threading.Event()

    def make() -> bytes:
        go_on.wait(10)
        return b"{}"

    async def work() -> None:
        first = asyncio.create_task(answers.get("a", make))
        second = asyncio.create_task(answers.get("a", make))
        await asyncio.sleep(0)
        first.cancel()
        go_on.set()
        assert (await second).body == b"{}"

    asyncio.run(work())


def test_an_answer_of_an_older_version_is_not_kept(answers: Answers, still: Still) -> None:
    def make() -> bytes:
        still.shown = (2, 1)
        return b"old"

    async def work() -> None:
        assert (await answers.get("a", make)).body == b"old"
        assert await answers.find("a") is None
        assert (await answers.get("a", lambda: b"new")).body == b"new"

    asyncio.run(work())


def test_an_error_is_told_and_not_kept(answers: Answers) -> None:
    def fail() -> bytes:
        raise LookupError("not now")

    async def work() -> None:
        with pytest.raises(LookupError):
            await answers.get("a", fail)
        assert (await answers.get("a", lambda: b"{}")).body == b"{}"

    asyncio.run(work())


@pytest.mark.parametrize(("bound", "value"), [("MOST_ANSWERS", 5), ("MOST_BYTES", 500)])
def test_the_least_asked_answers_make_room(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(finished, bound, value)

    async def work() -> None:
        for n in range(20):
            await answers.get(str(n), lambda: b"x" * 100)
            await answers.find("0")
        kept = [n for n in range(20) if await answers.find(str(n))]
        assert kept == [0, 16, 17, 18, 19]

    asyncio.run(work())


def test_lists_and_products_are_answered_with_a_tag_and_304(shop: Any, client: TestClient) -> None:
    product = shop.add()
    lists = ("/api/products/", f"/api/products/?ids={product['id']}", "/api/products/categories/?limit=3")
    for path in (*lists, f"/api/products/{product['id']}/"):
        for _ in range(2):  # made by the route, then found at the counter
            answer = client.get(path)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, no-cache"
            assert answer.headers["content-type"] == "application/json"
            assert client.get(path, headers={"If-None-Match": f'"x", W/{answer.headers["etag"]}'}).status_code == 304
            assert client.get(path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_customer_s_list_is_the_same_and_no_shared_cache_s_business(
    shop: Any, client: TestClient, customer: SignedUser
) -> None:
    product = shop.add()
    path = f"/api/products/?ids={product['id']}"
    public, personal = client.get(path), client.get(path, headers=customer.headers)

    assert personal.json() == public.json()
    assert personal.headers["etag"] == public.headers["etag"]
    assert personal.headers["cache-control"] == "private, no-cache"


def test_a_bad_token_is_refused_where_a_finished_page_lies_ready(shop: Any, client: TestClient) -> None:
    product = shop.add()
    for path in ("/api/products/", f"/api/products/{product['id']}/"):
        client.get(path)
        assert client.get(path, headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_a_page_never_shows_less_than_what_was_answered_before(shop: Any, client: TestClient) -> None:
    """Eight clients write and read what they have written, on the page that all of them change."""
    name = shop.sku()
    products = [shop.add(name=name, price="1.00") for _ in range(8)]
    path = f"/api/products/?name={name}&page_size=100"

    def change(product: dict[str, Any]) -> None:
        for n in range(2, 12):
            shop.change(product["id"], price=f"{n}.00")
            listed = {each["id"]: each["price"] for each in client.get(path).json()["results"]}
            assert listed[product["id"]] == f"{n}.00"
            assert client.get(f"/api/products/{product['id']}/").json()["price"] == f"{n}.00"

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(change, products))


def test_a_product_s_page_has_the_stock_of_this_moment_and_a_list_soon(shop: Any, client: TestClient) -> None:
    product = shop.add(stock=50)
    path, listed = f"/api/products/{product['id']}/", f"/api/products/?ids={product['id']}"
    for left in range(49, 39, -1):
        client.get(listed)
        shop.hold(shop.wish({product["id"]: 1}))
        assert client.get(path).json()["stock"] == left
    eventually(lambda: client.get(listed).json()["results"][0]["stock"] == 40)


def test_what_is_not_on_sale_is_not_found_at_the_counter(shop: Any, client: TestClient) -> None:
    draft = shop.add(status="draft")

    assert client.get(f"/api/products/{draft['id']}/").json()["code"] == "product_not_found"
    assert client.get("/api/products/999999999/").status_code == 404
    assert client.get(f"/api/products/{2**63}/").status_code == 404
    assert client.get("/api/products/0/").status_code == 404


def test_the_same_body_has_the_same_tag() -> None:
    assert Finished.of(b"a").etag == Finished.of(b"a").etag != Finished.of(b"b").etag
