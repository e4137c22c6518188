"""The fields' tests: what passes as money and time, and what the API page says about it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from common.fields import Body, Money, Sum, UtcTime, View

pytestmark = pytest.mark.unit


class Offer(Body):
    price: Money
    name: str = ""


class Receipt(View):
    total: Sum
    at: UtcTime


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ("12.50", "12.50"),
        ("12.5", "12.50"),
        ("12", "12.00"),
        (12, "12.00"),
        (12.5, "12.50"),
        (0.1, "0.10"),
        (1e2, "100.00"),
        (0, "0.00"),
        ("0", "0.00"),
        ("0.00", "0.00"),
        ("99999999.99", "99999999.99"),
        (99999999.99, "99999999.99"),
        (Decimal("1.10"), "1.10"),
    ],
)
def test_an_amount_is_understood_and_shown_with_two_decimals(sent: Any, understood: str) -> None:
    offer = Offer(price=sent)
    assert offer.price == Decimal(understood)
    assert offer.model_dump(mode="json")["price"] == understood


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "12.345",
        "12.500",
        12.345,
        0.1 + 0.2,
        1e-7,
        "-1",
        "-0.01",
        "-0",
        -1,
        -0.01,
        "100000000",
        "100000000.00",
        10**30,
        1e300,
        "1e2",
        "1E2",
        "1e9999",
        "+1",
        ".5",
        "5.",
        "1,50",
        "1 000",
        "1_000",
        " 12.50",
        "12.50\n",
        "0x10",
        "٣",
        "１２",  # noqa: RUF001
        "NaN",
        "Infinity",
        "-Infinity",
        float("nan"),
        float("inf"),
        "\ud800",
        True,
        False,
        None,
        [],
        {},
        ["12.50"],
        b"12.50",
        "9" * 5000,
        "0." + "0" * 5000,
    ],
)
def test_what_is_no_amount_is_refused(sent: Any) -> None:
    with pytest.raises(ValidationError):
        Offer(price=sent)


def test_the_api_page_says_what_is_taken_and_what_is_given() -> None:
    taken = Offer.model_json_schema()["properties"]["price"]
    given = Offer.model_json_schema(mode="serialization")["properties"]["price"]
    assert [kind["type"] for kind in taken["anyOf"]] == ["string", "number"]
    assert (given["type"], given["pattern"]) == ("string", r"^\d+\.\d{2}$")


def test_a_total_may_be_longer_than_a_price() -> None:
    receipt = Receipt(total=Decimal("123456789012.5"), at=datetime(2026, 1, 1, tzinfo=UTC))
    assert receipt.model_dump(mode="json")["total"] == "123456789012.50"


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000Z"),
    ],
)
def test_a_time_is_shown_in_utc(moment: datetime, shown: str) -> None:
    assert Receipt(total=Decimal(1), at=moment).model_dump(mode="json")["at"] == shown


@pytest.mark.parametrize("sent", [{"price": "1", "nmae": "x"}, {"price": "1", "name": 5}, {"price": "1", "name": None}])
def test_a_body_takes_no_unknown_field_and_converts_nothing(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Offer(**sent)


def test_a_body_takes_white_space_off_its_texts() -> None:
    assert Offer(price="1", name="  chair ").name == "chair"
