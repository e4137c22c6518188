"""Cells that look like formulas: harmless in a file, and the same when they are read back."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cells import escape, unescape
from catalog.files import CSV, lines_of

pytestmark = pytest.mark.unit

TRICKY = st.text(st.sampled_from("'=+-@\t\r\n a")) | st.text()


@given(TRICKY)
def test_what_is_escaped_comes_back(cell: str) -> None:
    assert unescape(escape(cell)) == cell


@given(TRICKY)
def test_nothing_escaped_begins_like_a_formula(cell: str) -> None:
    assert escape(cell)[:1] not in set("=+-@\t\r")


@pytest.mark.parametrize(
    ("cell", "escaped"),
    [
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'=x", "''=x"),
        ("''-", "'''-"),
        ("'tis", "'tis"),
        ("lamp", "lamp"),
        ("", ""),
        ("'", "'"),
        ("a=b", "a=b"),
    ],
)
def test_only_what_could_be_a_formula_is_escaped(cell: str, escaped: str) -> None:
    assert escape(cell) == escaped


@given(st.lists(st.text(st.sampled_from("'=+-@ab,;\"\n")).map(str.strip).filter(bool), min_size=1, max_size=5))
def test_a_file_written_with_escaped_cells_is_read_as_it_was_meant(tmp_path_factory: object, names: list[str]) -> None:
    text = io.StringIO()
    rows = [["A1", escape(name)] for name in names]
    csv.writer(text).writerows([["sku", "name"], *rows])
    file = Path(tmp_path_factory.getbasetemp()) / "escaped.csv"  # type: ignore[attr-defined]
    file.write_bytes(text.getvalue().encode())

    assert [line.values["name"] for line in lines_of(file, CSV)] == names
