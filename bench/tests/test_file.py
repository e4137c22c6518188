"""What is read from an order-line file, and what is left out of it."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from replaying.file import NotOrderLines, read_lines

pytestmark = pytest.mark.unit

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
GOOD = "1,A,LAMP,2,2011-01-01T08:00:00,1.50,17850,France\n"


def read(folder: Path, text: str) -> tuple[list[str], Counter[str]]:
    """The invoices of the lines that were taken, and why the others were not."""
    path = folder / "lines.csv"
    path.write_text(text, encoding="utf-8")
    left_out: Counter[str] = Counter()
    return [line.invoice for line in read_lines(path, left_out)], left_out


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",A,LAMP,2,2011-01-01T08:00:00,1.50,1,France", "without invoice number or stock code"),
        ("2,,LAMP,2,2011-01-01T08:00:00,1.50,1,France", "without invoice number or stock code"),
        ("2,A,LAMP,0,2011-01-01T08:00:00,1.50,1,France", "quantity of zero"),
        ("2,A,LAMP,-3,2011-01-01T08:00:00,0,1,France", "negative quantity outside a cancellation"),
        ("C2,A,LAMP,3,2011-01-01T08:00:00,1.50,1,France", "cancellation of a positive quantity"),
        ("2,A,LAMP,two,2011-01-01T08:00:00,1.50,1,France", "quantity is not a whole number"),
        ("2,A,LAMP,2.5,2011-01-01T08:00:00,1.50,1,France", "quantity is not a whole number"),
        ("2,A,LAMP,2,2011-01-01T08:00:00,-1,1,France", "price below zero"),
        ("2,A,LAMP,2,2011-01-01T08:00:00,1e3,1,France", "price is not a number"),
        ("2,A,LAMP,2,2011-01-01T08:00:00,100000000,1,France", "price above what the shop takes"),
        ("2,A,LAMP,2,some day,1.50,1,France", "time that cannot be read"),
        ("2,A,LAMP", "quantity is not a whole number"),
    ],
)
def test_a_dirty_row_is_left_out_and_counted_by_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    assert read(tmp_path, f"{HEADER}{row}\n{GOOD}") == (["1"], Counter({reason: 1}))


def test_a_file_with_a_byte_order_mark_and_quoted_newlines_is_read(tmp_path: Path) -> None:
    text = "\ufeff" + HEADER + '1,A,"TWO\nLINES",2,12/1/2010 8:26,1.50,17850.0,France\n'
    path = tmp_path / "lines.csv"
    path.write_text(text, encoding="utf-8")
    (line,) = read_lines(path, Counter())
    assert (line.description, line.customer, line.moment.isoformat()) == (
        "TWO LINES",
        "17850",
        "2010-12-01T08:26:00+00:00",
    )


def test_a_cancellation_has_its_quantity_without_the_sign(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(HEADER + "C9,A,LAMP,-4,2011-01-01T08:00:00,1.5,1,France\n", encoding="utf-8")
    (line,) = read_lines(path, Counter())
    assert line.quantity == 4


def test_a_price_is_rounded_to_pence(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(HEADER + "9,A,LAMP,4,2011-01-01T08:00:00,0.125,1,France\n", encoding="utf-8")
    (line,) = read_lines(path, Counter())
    assert line.price == Decimal("0.13")


def test_another_kind_of_file_is_refused_with_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotOrderLines, match="the columns InvoiceNo, StockCode, .* are missing"):
        read(tmp_path, "name,price\nLAMP,1\n")
