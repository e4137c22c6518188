"""The lists' tests: numbers, cursors, links, and what is not a page."""

from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi import Query
from pydantic import ValidationError

from common.errors import Invalid, NotFound
from common.ids import new_id
from common.pagination import ListQuery, decode_cursor, encode_cursor, keyed, numbered

pytestmark = pytest.mark.unit
URL = "http://shop.example/api/things/"


class Things(ListQuery):
    search: str | None = None
    colour: Annotated[list[str], Query()] = []
    in_stock: bool | None = None


def of(link: str | None) -> dict[str, str]:
    assert link is not None
    assert link.startswith(URL + "?")
    return dict(parse_qsl(urlsplit(link).query))


def test_a_first_page_of_several_points_forward() -> None:
    page = numbered(URL, Things(search="red & blue"), 25, list(range(10)))
    assert (page.count, page.previous, len(page.results)) == (25, None, 10)
    assert of(page.next) == {"search": "red & blue", "page": "2"}


def test_a_middle_page_points_both_ways_and_keeps_its_size() -> None:
    page = numbered(URL, Things(page=2, page_size=5), 11, list(range(5)))
    assert of(page.next) == {"page": "3", "page_size": "5"}
    assert of(page.previous) == {"page": "1", "page_size": "5"}


def test_a_last_page_points_back_only() -> None:
    page = numbered(URL, Things(page=3), 21, [1])
    assert page.next is None
    assert of(page.previous) == {"page": "2"}


def test_an_empty_list_has_a_first_page() -> None:
    assert numbered(URL, Things(), 0, []).model_dump() == {"count": 0, "next": None, "previous": None, "results": []}


@pytest.mark.parametrize(("page", "count"), [(2, 0), (2, 10), (3, 20), (1_000_000, 5)])
def test_a_page_past_the_end_is_not_found(page: int, count: int) -> None:
    with pytest.raises(NotFound):
        numbered(URL, Things(page=page), count, [])


def test_a_cursor_leads_to_the_next_page_until_the_end() -> None:
    last = ["2026-01-01T00:00:00Z", str(new_id()), 5]
    page = keyed(URL, Things(cursor="", limit=2, search="x"), ["a", "b"], last)
    assert page.count is None
    link = of(page.next)
    assert (link["search"], link["limit"]) == ("x", "2")
    following = Things(cursor=link["cursor"], limit=2)
    assert (following.after(), following.by_cursor, following.size) == (last, True, 2)
    assert keyed(URL, following, ["c"], None).next is None


def test_an_empty_cursor_begins_at_the_beginning() -> None:
    query = Things(cursor="")
    assert (query.by_cursor, query.after(), query.size) == (True, None, 10)
    assert not Things().by_cursor


def test_links_carry_lists_and_truth_values_in_a_form_that_is_understood() -> None:
    page = numbered(URL, Things(colour=["red", "blue"], in_stock=True), 25, [])
    assert page.next is not None
    pairs = parse_qsl(urlsplit(page.next).query)
    assert [value for name, value in pairs if name == "colour"] == ["red", "blue"]
    assert Things.model_validate({"in_stock": dict(pairs)["in_stock"]}).in_stock is True


@pytest.mark.parametrize("keys", [[1], ["a", 2], [2**63], ["ü", "\n"]])
def test_a_cursor_says_what_was_put_into_it(keys: list[Any]) -> None:
    assert decode_cursor(encode_cursor(keys)) == keys


# Readable among them are: [], null, {}, [null], [true], [[1]] and [1.5].
FOREIGN = [
    "x",
    "%%%",
    "ü",
    "W10=====",
    "\x00",
    "W10",
    "bnVsbA",
    "e30",
    "W251bGxd",
    "W3RydWVd",
    "W1sxXV0",
    "WzEuNV0",
    "�",
]


@pytest.mark.parametrize("cursor", [*FOREIGN, "A" * 10_000])
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        decode_cursor(cursor)


@pytest.mark.parametrize(
    "sent",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"page": "1000001"},
        {"page": "1" * 5000},
        {"page_size": "0"},
        {"page_size": "101"},
        {"limit": "0"},
        {"limit": "101"},
        {"serach": "x"},
    ],
)
def test_a_bad_or_unknown_parameter_is_refused(sent: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Things.model_validate(sent)
