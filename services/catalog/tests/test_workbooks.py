"""Workbooks: their rows are read as a spreadsheet program shows them."""

import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from catalog import sheets
from catalog.files import SHEET, Line, inspect, lines_of
from catalog.marking import Refused

from .binding import by_hand, by_program

pytestmark = pytest.mark.unit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a workbook can lie."""
    return tmp_path / "workbook"


def read(file: Path) -> list[Line]:
    """The rows of the workbook's sheet, converted here."""
    target = file.with_suffix(".lines")
    sheets.convert(file, target)
    return list(lines_of(target, SHEET))


def test_rows_are_those_that_the_user_sees(file: Path) -> None:
    by_program(
        file, [], ["SKU", "Name ", "price", "stock"], [], ["A1", " Lamp ", 1.5, 3], [], ["A2", "Torch", "2", 4.0]
    )

    first, second = read(file)

    assert (first.number, first.values) == (4, {"sku": "A1", "name": "Lamp", "price": "1.5", "stock": "3"})
    assert (second.number, second.values) == (6, {"sku": "A2", "name": "Torch", "price": "2", "stock": "4"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (-0.0, "0"),
        (12.5, "12.5"),
        (0.1 + 0.2, "0.3"),
        (4006381333931.0, "4006381333931"),
        (1234567890123450.0, "1234567890123450"),
        (1e20, "1e+20"),
        (1e-5, "1e-05"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (True, "true"),
        (False, "false"),
        ("", ""),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime.combine(datetime.date(2026, 1, 2), datetime.time(3, 4)), "2026-01-02T03:04:00"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(hours=30), "1 day, 6:00:00"),
    ],
)
def test_values_are_texts_as_a_spreadsheet_program_shows_them(value: Any, text: str) -> None:
    assert sheets.text_of(value) == text


def test_values_of_every_kind_come_through_a_workbook(file: Path) -> None:
    by_program(file, ["sku", "stock", "name"], [4006381333931, 7, True], ["A2", 1.5, "'=1+1"], ["A3", "", "Lamp"])

    assert [line.values for line in read(file)] == [
        {"sku": "4006381333931", "stock": "7", "name": "true"},
        {"sku": "A2", "stock": "1.5", "name": "=1+1"},
        {"sku": "A3", "name": "Lamp"},
    ]


def test_formulas_count_by_their_stored_values(file: Path) -> None:
    rows = (
        '<row r="2"><c r="A2" t="str"><f>"A"&amp;1</f><v>A1</v></c><c r="B2"><f>1+1</f><v>2</v></c></row>'
        '<row r="3"><c r="A3" t="str"><f>"A"&amp;2</f><v>A2</v></c><c r="B3" t="str"><f>""</f><v></v></c></row>'
    )

    lines = read(by_hand(file, rows))

    assert [line.values for line in lines] == [{"sku": "A1", "stock": "2"}, {"sku": "A2"}]


@pytest.mark.parametrize("cell", ["<f>1+1</f>", "<f>1+1</f><v/>", "<f>1+1</f><v></v>", '<f t="shared" si="0"/>'])
def test_a_formula_without_a_stored_value_is_not_taken_for_nothing(file: Path, cell: str) -> None:
    by_hand(file, f'<row r="2"><c r="A2" t="inlineStr"><is><t>A1</t></is></c><c r="B2">{cell}</c></row>')

    with pytest.raises(Refused, match="row 2, column 2") as refused:
        read(file)

    assert refused.value.code == "formulas_without_values"


@pytest.mark.parametrize("place", ['r="B2"', ""])
def test_an_error_in_a_known_column_makes_a_bad_row(file: Path, place: str) -> None:
    name = '<c{} t="inlineStr"><is><t>A1</t></is></c>'
    rows = f'<row>{name.format("")}<c {place} t="e"><f>1/0</f><v>#DIV/0!</v></c></row><row>{name.format("")}</row>'

    bad, good = read(by_hand(file, rows))

    assert (bad.number, bad.fault) == (2, "stock: the cell holds the error #DIV/0!")
    assert bad.values["sku"] == "A1"
    assert bad.raw == {"sku": "A1", "stock": "#DIV/0!"}
    assert (good.number, good.fault) == (3, None)


def test_an_error_in_another_column_does_no_harm(file: Path) -> None:
    with xlsxwriter.Workbook(file) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["sku", "margin"])
        sheet.write(1, 0, "A1")
        sheet.write_formula(1, 1, "=1/0", None, "#DIV/0!")

    assert [(line.values, line.fault) for line in read(file)] == [({"sku": "A1"}, None)]


def test_the_first_sheet_of_cells_that_is_seen_is_taken(file: Path) -> None:
    with xlsxwriter.Workbook(file) as workbook:
        workbook.add_worksheet("lists").write_row(0, 0, ["colour"])
        chart = workbook.add_chart({"type": "line"})
        chart.add_series({"values": "=lists!$A$1:$A$2"})
        workbook.add_chartsheet("chart").set_chart(chart)
        products = workbook.add_worksheet("products")
        products.write_column(0, 0, ["sku", "A1"])
        products.write_formula(2, 0, "=1/0", None, "#DIV/0!")
        products.activate()
        products.set_first_sheet()
        workbook.worksheets()[0].hide()
        workbook.add_worksheet("more").write_column(0, 0, ["sku", "B1"])

    good, bad = read(file)

    assert good.values == {"sku": "A1"}
    assert bad.fault == "sku: the cell holds the error #DIV/0!"


def test_a_sheet_is_inspected_as_other_files_are(file: Path) -> None:
    by_program(file, ["sku", "Colour", "name"], ["A1", "red", "Lamp"], ["A2"], ["A1", "", "Torch", "", "more"])
    target = file.with_suffix(".lines")
    sheets.convert(file, target)

    found = inspect(target, SHEET)

    assert (found.total, found.columns, found.unknown_columns) == (3, ["sku", "Colour", "name"], ["Colour"])
    assert [line.fault for line in lines_of(target, SHEET)] == [None, None, "the row has 5 cells, the header 3"]
