"""What is made of a measurement: verdicts, the picture, the place in the document."""

import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from measuring.drawing import drawn, short
from measuring.growing import grown
from measuring.loading import Load
from measuring.results import Bars, Figure, at_least, at_most
from measuring.showing import show, show_verdicts
from measuring.writing import NoPlace, Page, replaced, section_of

pytestmark = pytest.mark.unit

BARS = Bars("of the bound", ("the bound", "ours & theirs"), {"share": (1.0, 0.42)}, 0.5, "≥ 0.5")
FIGURE = Figure(
    "P1 lists",
    "lists",
    ("read", "of the bound"),
    (("the bound", "1.00"), ("ours | theirs", "0.42")),
    BARS,
    (at_least("of the bound", 0.42, 0.5),),
    ("The rounds: 1, 2, 3.",),
)
TEXT = "Before.\n\n<!-- figure p1-lists -->\n\nold, with\nlines\n\n<!-- end of p1-lists -->\n\nAfter.\n"


@pytest.mark.parametrize(
    ("verdict", "reached", "found"),
    [
        (at_least("share", 0.5, 0.5), True, "0.50"),
        (at_least("share", 0.499, 0.5), False, "0.50"),
        (at_most("last/first", 2.0, 2), True, "2.00"),
        (at_most("p50", 25.4, 25, " ms"), False, "25 ms"),
    ],
    ids=["just enough", "a little less", "just enough, at most", "a little more"],
)
def test_a_goal_is_held_against_the_number_and_not_against_its_text(verdict, reached, found):
    assert (verdict.reached, verdict.found) == (reached, found)


def test_a_section_has_table_verdict_notes_picture_and_machine():
    section = section_of(FIGURE, "pictures/p.svg", "Measured on a day.")
    assert section.split("\n\n") == [
        "### P1 lists: lists",
        "| read | of the bound |\n| --- | --- |\n| the bound | 1.00 |\n| ours \\| theirs | 0.42 |",
        "- of the bound: 0.42 (goal ≥ 0.5): **not reached**",
        "The rounds: 1, 2, 3.",
        "![P1 lists: of the bound](pictures/p.svg)",
        "Measured on a day.",
    ]


def test_only_what_stands_between_the_marks_is_replaced():
    once = replaced(TEXT, "p1-lists", "new")
    assert once == "Before.\n\n<!-- figure p1-lists -->\n\nnew\n\n<!-- end of p1-lists -->\n\nAfter.\n"
    assert replaced(once, "p1-lists", "new") == once


@pytest.mark.parametrize(
    "text",
    ["", "<!-- figure p1-lists -->", "<!-- end of p1-lists --><!-- figure p1-lists -->"],
    ids=["no mark", "no end", "the wrong way round"],
)
def test_a_document_without_a_place_is_refused_before_anything_is_measured(tmp_path, text):
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(NoPlace, match=r"page\.md has no place for p1-lists"):
        Page(tmp_path / "page.md").check(["P1 lists"])


def test_a_figure_is_written_with_its_picture_and_nothing_else_is_left(tmp_path: Path):
    page = Page(tmp_path / "page.md")
    page.path.write_text(TEXT)
    page.put(FIGURE, "Measured on a day.")
    assert page.path.read_text().startswith("Before.")
    assert "old, with" not in page.path.read_text()
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == {
        "page.md",
        "pictures/bench/p1-lists.svg",
    }


def test_the_same_numbers_make_the_same_picture_with_nothing_that_runs_or_is_fetched():
    picture = drawn(FIGURE)
    assert picture == drawn(FIGURE)
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(picture).iter()}  # noqa: S314 - our own
    assert "rect" in tags
    assert tags.isdisjoint({"script", "image", "a"})
    assert "<!--" not in picture
    assert "prefers-color-scheme: dark" in picture.replace("prefers-color-scheme:dark", "prefers-color-scheme: dark")
    assert "http" not in picture.replace("http://www.w3.org/", "")


def test_a_picture_has_each_name_each_number_and_the_goal():
    picture = drawn(FIGURE)
    assert [text for text in ("the bound", "ours &amp; theirs", "goal ≥ 0.5") if text not in picture] == []
    assert re.findall(r'<text [^>]*class="value">([^<]+)<', picture) == ["0.42", "1"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.4249, "0.42"), (1.5, "1.5"), (20, "20"), (42.26, "42.26"), (124900.4, "124,900")],
)
def test_numbers_are_short(number, text):
    assert short(number) == text


def test_what_grows_most_is_held_against_the_goal():
    loads = {"flat": [Load(1, 4.0, 9, 0), Load(1, 5.0, 9, 0)], "steep": [Load(1, 1.0, 9, 0), Load(1, 2.5, 9, 3)]}
    figure = grown("P9 products", "lists", "products", ["10", "1,000"], loads)
    assert figure.rows == (("flat", "4.00", "5.00", "1.25", "0"), ("steep", "1.00", "2.50", "2.50", "3"))
    assert dict(figure.bars.series) == {"at 1,000 products": (1.25, 2.5)}
    (verdict,) = figure.verdicts
    assert (verdict.reached, verdict.found) == (False, "2.50")
    assert "steep" in verdict.what


def test_people_see_the_table_and_the_verdict_and_at_the_end_all_verdicts():
    console = Console(width=80, record=True, file=io.StringIO())
    show(console, FIGURE)
    show_verdicts(console, [FIGURE, replace(FIGURE, key="P2", verdicts=(at_least("another", 0.7, 0.5),))])
    told = console.export_text()
    assert [line.split("│")[1:5] for line in told.splitlines() if "✔" in line or "✘" in line] == [
        [" P1 lists ", " of the bound ≥ 0.5 ", " 0.42  ", " ✘ "],
        [" P2       ", " another ≥ 0.5      ", " 0.70  ", " ✔ "],
    ]
    assert "ours | theirs" in told
    assert "0.42 (goal ≥ 0.5): not reached" in told
