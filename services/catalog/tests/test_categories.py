"""Categories: made, listed, filed under, and taken away when nothing is filed under them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, event, select

from catalog.models import Category, Product
from catalog.versions import read_version
from common.database import Sessions
from common.ids import new_id
from common.testing.signing import SignedUser

PATH = "/api/products/categories/"


@pytest.fixture
def word() -> str:
    """A word that only this test's categories begin with."""
    return f"w{new_id().hex}"


@pytest.fixture
def make(client: TestClient, admin: SignedUser) -> Callable[..., Any]:
    """Makes a category."""

    def post(path: str = PATH, **body: Any) -> Any:
        return client.post(path, json=body, headers=admin.headers)

    return post


@pytest.fixture
def remove(client: TestClient, admin: SignedUser) -> Callable[[str], Any]:
    """Takes a category away."""
    return lambda slug: client.delete(f"{PATH}{quote(slug)}/", headers=admin.headers)


def facts(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return read_version(session).facts


def slugs(client: TestClient, query: str) -> list[str]:
    return [category["slug"] for category in client.get(f"{PATH}?{query}").json()["results"]]


# The missing thing


def test_a_category_that_is_not_there_or_cannot_be_is_404(remove: Callable[[str], Any], word: str) -> None:
    answers = [remove(slug) for slug in (word, "no slug", "_", "x" * 65, "\x00", "a--b")]

    assert [answer.status_code for answer in answers] == [404] * 6
    assert answers[0].json()["code"] == "category_not_found"


def test_the_list_is_no_product(client: TestClient, admin: SignedUser) -> None:
    assert client.get(PATH).status_code == 200
    assert client.get(PATH.rstrip("/")).status_code == 200
    assert client.get(f"{PATH}?colour=red").json()["code"] == "unknown_parameter"
    assert client.patch(PATH, json={}, headers=admin.headers).status_code == 405


# The good way


def test_a_category_is_made_with_a_slug_of_its_name(make: Callable[..., Any], word: str) -> None:
    answer = make(name=f"  {word} Größe & m² ")

    assert answer.status_code == 201
    body = answer.json()
    assert (body["slug"], body["name"]) == (f"{word}-grosse-m2", f"{word} Größe & m²")
    assert set(body) == {"slug", "name", "created_at"}
    assert answer.headers["location"] == f"{PATH}{quote(body['slug'])}/"


def test_a_category_is_made_under_its_address_too(make: Callable[..., Any], word: str) -> None:
    named = make(f"{PATH}{word}/", name="Lamps")
    unnamed = make(f"{PATH}{word}-2/")

    assert (named.status_code, named.json()["slug"], named.json()["name"]) == (201, word, "Lamps")
    assert (unnamed.status_code, unnamed.json()["name"]) == (201, f"{word} 2".capitalize())


def test_an_address_needs_no_body(client: TestClient, admin: SignedUser, word: str) -> None:
    assert client.post(f"{PATH}{word}/", headers=admin.headers).status_code == 201


def test_categories_are_listed_by_slug_by_page_and_by_cursor(
    client: TestClient, make: Callable[..., Any], remove: Callable[[str], Any], sessions: Sessions
) -> None:
    with sessions.begin() as session:
        used = select(Product.category).where(Product.category.is_not(None)).distinct()
        session.execute(delete(Category).where(Category.slug.not_in(session.scalars(used).all())))
    for slug in ("c-0", "a", "b"):
        make(name="Lamps", slug=f"0{slug}")
    ours = ["0a", "0b", "0c-0"]

    first = client.get(f"{PATH}?page_size=2").json()
    assert [category["slug"] for category in first["results"]] == ours[:2]
    assert first["count"] >= 3
    assert urlsplit(first["next"]).path == PATH
    begun = client.get(f"{PATH}?limit=2").json()
    assert "count" not in begun
    assert slugs(client, urlsplit(begun["next"]).query)[0] == ours[2]
    assert client.get(f"{PATH}?cursor=nonsense").json()["code"] == "invalid_cursor"
    assert {remove(slug).status_code for slug in ours} == {204}


def test_a_category_without_products_is_taken_away(
    make: Callable[..., Any], remove: Callable[[str], Any], word: str
) -> None:
    make(name="Lamps", slug=word)

    assert remove(word).status_code == 204
    assert remove(word).status_code == 404


def test_every_change_moves_the_catalogue_s_version(
    make: Callable[..., Any], remove: Callable[[str], Any], sessions: Sessions, word: str
) -> None:
    before = facts(sessions)
    make(name="Lamps", slug=word)
    made = facts(sessions)
    assert make(name="Lamps", slug=word).status_code == 409
    unchanged = facts(sessions)
    remove(word)

    assert (made, unchanged, facts(sessions)) == (before + 1, before + 1, before + 2)


# Refusals


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "…"},
        {"name": "  "},
        {"name": "Lamps", "slug": "a b"},
        {"name": "Lamps", "slug": "-a"},
        {"name": "Lamps", "slug": "Lamps"},
        {"name": "Λάμπες"},
        {"name": "Lamps", "slug": ""},
        {"name": "Lamps", "slug": "x" * 65},
        {"name": "x" * 256},
        {"name": "a\x00"},
        {"name": 7},
        {"name": "Lamps", "created_at": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_bad_category_is_refused(make: Callable[..., Any], body: dict[str, Any]) -> None:
    answer = make(**body)

    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("slug", ["a b", "_", "x" * 65, "a--b", "%00", "%F0%9F%92%A1"])
def test_an_address_that_cannot_be_a_slug_is_a_bad_request(make: Callable[..., Any], slug: str) -> None:
    answer = make(f"{PATH}{slug}/", name="Lamps")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_slug")


def test_a_taken_slug_is_409(make: Callable[..., Any], word: str) -> None:
    make(name="Lamps", slug=word)

    for again in (make(name="Other", slug=word), make(f"{PATH}{word}/")):
        assert (again.status_code, again.json()["code"]) == (409, "category_taken")


@pytest.mark.parametrize("status", ["active", "draft", "archived"])
def test_a_category_in_use_stays_whatever_the_product_s_status(
    shop: Any, make: Callable[..., Any], remove: Callable[[str], Any], word: str, status: str
) -> None:
    make(name="Lamps", slug=word)
    product = shop.add(category=word, status=status)

    refused = remove(word)

    assert (refused.status_code, refused.json()["code"]) == (409, "category_in_use")
    shop.change(product["id"], category=None)
    assert remove(word).status_code == 204


# The race


@contextmanager
def just_before(sessions: Sessions, words: str, act: Callable[[], object]) -> Iterator[None]:
    """Act once, when a statement that contains these words is about to be sent."""
    engine = sessions.kw["bind"]
    acted: list[bool] = []

    def look(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if words in statement and not acted:
            acted.append(True)
            act()

    event.listen(engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", look)
    assert acted


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_product_of_a_category_that_goes_at_that_moment_is_refused(
    shop: Any, make: Callable[..., Any], remove: Callable[[str], Any], word: str, method: str
) -> None:
    make(name="Lamps", slug=word)
    path = "/api/products/" if method == "POST" else f"/api/products/{shop.add()['id']}/"
    statement = "INSERT INTO products" if method == "POST" else "UPDATE products"
    body = {"name": "Lamp", "price": "1", "category": word}

    with just_before(shop.client.app.state.sessions, statement, lambda: remove(word)):
        answer = shop.client.request(method, path, json=body, headers=shop.admin.headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_category")
    assert answer.json()["errors"] == {"category": ["there is no such category"]}


def test_a_file_makes_the_category_again_that_goes_at_that_moment(
    shop: Any, make: Callable[..., Any], remove: Callable[[str], Any], word: str
) -> None:
    make(name="Lamps", slug=word)
    known = shop.add(category=word)
    sku = shop.sku()

    def empty_and_remove() -> None:
        shop.change(known["id"], category=None)
        assert remove(word).status_code == 204

    with just_before(shop.sessions, "INSERT INTO products", empty_and_remove):
        report = shop.take_in(f"sku,name,price,category\n{known['sku']},,,\n{sku},Torch,1,{word}\n")

    assert shop.counts(report) == {"created": 1, "unchanged": 1}
    assert shop.see_sku(sku)["category"] == word
    assert shop.see(known["id"])["category"] is None


def test_a_crowd_that_files_and_takes_away_never_meets_an_error(
    shop: Any, make: Callable[..., Any], remove: Callable[[str], Any], word: str
) -> None:
    make(name="Lamps", slug=word)
    body = {"name": "Lamp", "price": "1", "category": word}

    def step(number: int) -> int:
        if number % 3 == 0:
            return int(remove(word).status_code)
        if number % 3 == 1:
            return int(make(name="Lamps", slug=word).status_code)
        answer = shop.client.post("/api/products/", json=body, headers=shop.admin.headers)
        if answer.status_code == 201:
            shop.change(answer.json()["id"], category=None)
        return int(answer.status_code)

    with ThreadPoolExecutor(8) as crowd:
        statuses = set(crowd.map(step, range(48)))

    assert statuses <= {201, 204, 400, 404, 409}
    assert 201 in statuses
