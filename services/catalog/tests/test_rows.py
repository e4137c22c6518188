"""What one row of a file must be, and what is said of one that is not."""

from typing import Any

import pytest

from catalog.files import Line
from catalog.rows import Fault, Row, check

pytestmark = pytest.mark.unit


def checked(**values: Any) -> Row | Fault:
    """What a row of these values comes to."""
    return check(Line(2, values, values))


def test_a_row_takes_numbers_as_text_or_as_they_are() -> None:
    from_csv, from_json = checked(sku="A1", price="1.5", stock="007"), checked(sku="A1", price=1.5, stock=7)

    assert isinstance(from_csv, Row)
    assert from_csv == from_json
    assert from_csv.values == {"sku": "A1", "price": from_csv.price, "stock": 7}


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({}, "sku", "required"),
        ({"sku": ""}, "sku", "invalid"),
        ({"sku": "x" * 65}, "sku", "too_long"),
        ({"sku": 7}, "sku", "invalid"),
        ({"sku": "A", "price": "1,50"}, "price", "invalid"),
        ({"sku": "A", "price": "-1"}, "price", "invalid"),
        ({"sku": "A", "price": "1e3"}, "price", "invalid"),
        ({"sku": "A", "stock": "-1"}, "stock", "invalid"),
        ({"sku": "A", "stock": "1.0"}, "stock", "invalid"),
        ({"sku": "A", "stock": True}, "stock", "invalid"),
        ({"sku": "A", "stock": "9" * 30}, "stock", "invalid"),
        ({"sku": "A", "stock": "٣"}, "stock", "invalid"),
        ({"sku": "A", "status": "gone"}, "status", "invalid"),
        ({"sku": "A", "name": "a\x00b"}, "name", "invalid"),
        ({"sku": "A", "name": {"a": 1}}, "name", "invalid"),
    ],
)
def test_a_bad_row_says_where_and_why(values: dict[str, Any], field: str, code: str) -> None:
    fault = checked(**values)

    assert isinstance(fault, Fault)
    assert (fault.field, fault.code) == (field, code)
    assert fault.message.startswith(f"{field}: ")


def test_all_complaints_about_a_row_are_in_its_message() -> None:
    fault = checked(sku="A", price="x", stock="y")

    assert isinstance(fault, Fault)
    assert "price: " in fault.message
    assert "stock: " in fault.message
