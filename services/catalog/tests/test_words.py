"""What of a product is searched, and what a search looks for."""

import pytest

from catalog.words import LONGEST, LONGEST_TEXT, searched, wanted


def test_every_word_of_name_and_sku_is_searched_once_in_small_letters() -> None:
    assert searched("T-Light Holder, red RED", "85123A") == "t__ light__ holder__ red__ 85123a__"


def test_a_product_without_a_sku_is_searched_by_its_name() -> None:
    assert searched("Ünï_que", None) == "ünï__ que__"


def test_what_is_searched_fits_into_its_column() -> None:
    letters = " ".join(chr(0x4E00 + n) for n in range(128))

    assert len(searched(letters, "-".join("abcdefghijklmnopqrstuvwxyz"))) <= LONGEST_TEXT


@pytest.mark.parametrize(
    ("search", "expression"),
    [
        ("lant", "+lant*"),
        ("Red lantern", "+red* +lantern*"),
        ("tv", "+tv__"),
        ('+red -(lamp) "x*" ~<@2', "+red* +lamp* +x__ +2__"),
        ("x" * 200, f"+{'x' * LONGEST}*"),
        ("", None),
        ("!? _ -", None),
    ],
)
def test_a_search_is_for_all_its_words_as_beginnings_and_for_short_ones_whole(
    search: str, expression: str | None
) -> None:
    assert wanted(search) == expression
