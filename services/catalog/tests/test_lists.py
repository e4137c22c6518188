"""Lists of products: pages, cursors, filters, order."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from common.ids import new_id
from common.testing.signing import SignedUser

URL = "http://127.0.0.1:8080/api/products/"
Find = Callable[..., Any]


@pytest.fixture
def word() -> str:
    """A word that only this test's products have in their names."""
    return f"w{str(new_id()).replace('-', '')}"


@pytest.fixture
def find(client: TestClient, word: str) -> Find:
    """Lists this test's products only."""

    def ask(path: str = "/api/products/", headers: dict[str, str] | None = None, **params: Any) -> Any:
        answer = client.get(path, params={"search": word} | params, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def names(page: Any, word: str) -> list[str]:
    """The products' names, without the word that they share."""
    return [product["name"].replace(word, "").strip() for product in page["results"]]


@pytest.fixture
def seven(shop: Any, word: str) -> list[dict[str, Any]]:
    """Seven products, the dearest first."""
    return [shop.add(name=f"{letter} {word}", price=f"{9 - n}.50", stock=n % 3) for n, letter in enumerate("abcdefg")]


def walk(client: TestClient, page: Any) -> list[Any]:
    """All results from a page on, along its links."""
    results = list(page["results"])
    while page["next"]:
        assert page["next"].startswith(URL)
        page = client.get(f"/api/products/?{urlsplit(page['next']).query}").json()
        results += page["results"]
    return results


def test_pages_are_numbered_and_counted(client: TestClient, seven: list[Any], find: Find, word: str) -> None:
    first = find(page_size=3)

    assert (first["count"], len(first["results"]), first["previous"]) == (7, 3, None)
    assert [product["id"] for product in walk(client, first)] == [product["id"] for product in seven]
    middle = find(page_size=3, page=2)
    assert "page=1" in middle["previous"]
    assert "page=3" in middle["next"]
    assert find(page_size=3, page=3)["next"] is None


def test_a_cursor_walks_through_everything_without_a_count(client: TestClient, seven: list[Any], find: Find) -> None:
    first = find(cursor="", limit=2)

    assert "count" not in first
    assert [product["id"] for product in walk(client, first)] == [product["id"] for product in seven]


@pytest.mark.parametrize(
    "ordering", ["name", "-name", "price", "-price", "-created_at", "sold_count", "-sold_count,name"]
)
def test_a_cursor_keeps_the_order_of_the_pages(client: TestClient, seven: list[Any], find: Find, ordering: str) -> None:
    by_page = find(ordering=ordering, page_size=100)["results"]
    by_cursor = walk(client, find(ordering=ordering, limit=2))

    assert by_cursor == by_page
    assert len(by_page) == 7


def test_what_is_added_between_two_pages_of_a_cursor_repeats_nothing(
    client: TestClient, shop: Any, seven: list[Any], find: Find, word: str
) -> None:
    first = find(ordering="name", limit=4)
    shop.add(name=f"aa {word}")

    rest = walk(client, first)

    assert len({product["id"] for product in rest}) == len(rest) == 7


def test_products_are_ordered_as_asked(seven: list[Any], find: Find, word: str) -> None:
    assert names(find(ordering="price"), word) == list("gfedcba")
    assert names(find(ordering="-name"), word) == list("gfedcba")
    assert names(find(ordering="created_at"), word) == list("abcdefg")


def test_filters_narrow_the_list(seven: list[Any], find: Find, word: str) -> None:
    assert names(find(price="5.50"), word) == ["e"]
    assert names(find(price_min="7.5", price_max="8.50"), word) == ["b", "c"]
    assert names(find(in_stock="true"), word) == ["b", "c", "e", "f"]
    assert names(find(in_stock="false"), word) == ["a", "d", "g"]
    assert names(find(name=f"c {word}"), word) == ["c"]
    assert names(find(sku=seven[3]["sku"]), word) == ["d"]
    assert names(find(ids=f"{seven[1]['id']}, {seven[5]['id']},999999"), word) == ["b", "f"]


def test_search_looks_into_names_and_skus_whatever_the_case(shop: Any, client: TestClient, word: str) -> None:
    by_name = shop.add(name=f"Ünique {word} 100% cotton_bag")
    by_sku = shop.add(name="Plain", sku=f"K-{word}")

    def ids(text: str) -> list[int]:
        return [product["id"] for product in client.get("/api/products/", params={"search": text}).json()["results"]]

    assert ids(word.upper()) == [by_name["id"], by_sku["id"]]
    assert ids(f"COTTON {word}") == [by_name["id"]]
    assert ids(f"{word} 100%") == [by_name["id"]]
    assert ids(f"{word} 1_0") == []


def test_only_active_products_are_listed_unless_an_admin_asks(
    shop: Any, find: Find, word: str, admin: SignedUser
) -> None:
    for status in ("draft", "active", "archived"):
        shop.add(name=f"{status} {word}", status=status)

    assert names(find(), word) == ["active"]
    assert names(find(headers=admin.headers), word) == ["active"]
    assert names(find(headers=admin.headers, status="draft"), word) == ["draft"]
    assert names(find(headers=admin.headers, status="archived"), word) == ["archived"]


def test_only_admins_see_what_is_reserved(shop: Any, find: Find, word: str, admin: SignedUser) -> None:
    shop.add(name=word)

    assert "on_hand" not in find()["results"][0]
    assert find(headers=admin.headers)["results"][0]["on_hand"] == 10


def test_listing_by_status_is_for_admins(client: TestClient, customer: SignedUser) -> None:
    assert client.get("/api/products/?status=draft").status_code == 401
    assert client.get("/api/products/?status=draft", headers=customer.headers).status_code == 403


def test_a_page_past_the_end_is_404(find: Find, client: TestClient, word: str) -> None:
    assert find()["results"] == []
    assert client.get("/api/products/", params={"search": word, "page": 2}).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=x",
        "page_size=0",
        "page_size=101",
        "limit=101",
        "cursor=nonsense",
        "cursor=WzFd&ordering=name",
        "cursor=WyJhIl0",
        "cursor=WyJOYU4iLDFd&ordering=price",
        "cursor=WyIwMDAxLTAxLTAxVDAwOjAwKzE0OjAwIiwxXQ&ordering=created_at",
        "cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDBd",
        "ordering=stock",
        "ordering=name,,price",
        "ordering=",
        "price=-1",
        "price=1e2",
        "price=NaN",
        "price_min=abc",
        "price_max=123456789.00",
        "in_stock=perhaps",
        "ids=",
        "ids=1,x",
        "ids=-1",
        f"ids={','.join(map(str, range(101)))}",
        "ids=99999999999999999999",
        "status=gone",
        f"search={'x' * 101}",
    ],
)
def test_a_bad_parameter_is_400(client: TestClient, admin: SignedUser, query: str) -> None:
    answer = client.get(f"/api/products/?{query}", headers=admin.headers)

    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_parameter_is_400_so_that_a_mistyped_filter_does_not_show_everything(client: TestClient) -> None:
    answer = client.get("/api/products/?colour=red")

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


@pytest.mark.parametrize(
    "search", ["%00", "%", "\\", "'; drop table products; --", "😀", "%ff%fe", "/", "\u202e", "", " "]
)
def test_odd_words_are_only_words(client: TestClient, search: str) -> None:
    for name in ("search", "name", "sku"):
        assert client.get("/api/products/", params={name: search}).status_code == 200


# What sisters ask


def test_sisters_get_products_of_every_status_by_id(shop: Any) -> None:
    active, archived = shop.add(stock=3), shop.add(status="archived")

    first, second = shop.briefs(f"ids={archived['id']},{active['id']},999999")

    assert first == {
        "id": active["id"],
        "sku": active["sku"],
        "name": "Lantern",
        "price": "3.39",
        "currency": "EUR",
        "availability": "low_stock",
        "status": "active",
        "version": 1,
        "sold": 0,
    }
    assert (second["id"], second["status"]) == (archived["id"], "archived")


def test_sisters_walk_through_all_products(shop: Any) -> None:
    added = [shop.add()["id"] for _ in range(3)]
    seen: list[int] = []
    while True:
        after = seen[-1] if seen else 0
        products = shop.briefs(f"after={after}&limit=50")
        if not products:
            break
        seen += [product["id"] for product in products]

    assert seen == sorted(set(seen))
    assert set(added) <= set(seen)
