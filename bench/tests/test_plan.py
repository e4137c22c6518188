"""What the clean lines make: products, customers, invoices in their order, orders of a size the shop takes."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from replaying.file import Line
from replaying.plan import Plan, account_name, divide, make_plan

pytestmark = pytest.mark.unit


def line(
    invoice: str,
    sku: str = "A",
    quantity: int = 1,
    *,
    price: str = "1.00",
    name: str = "LAMP",
    customer: str = "1",
    hour: int = 8,
) -> Line:
    """A clean line with plain values."""
    moment = datetime(2011, 1, 1, hour, tzinfo=UTC)
    return Line(invoice, sku, name, quantity, moment, Decimal(price), customer, "France")


def plan(*lines: Line, most: int | None = None) -> Plan:
    """The plan of these lines."""
    return make_plan(lines, Counter(), most)


def test_a_product_has_the_last_name_and_the_most_frequent_price_above_zero() -> None:
    lines = [
        line("1", price="0.00"),
        line("2", price="0.00"),
        line("3", price="0.00"),
        line("4", price="2.00", name="OLD LAMP"),
        line("5", price="3.00", name="NEW LAMP"),
        line("6", price="3.00", name=""),
    ]
    product = plan(*lines).products["A"]
    assert (product.name, product.price) == ("NEW LAMP", Decimal("3.00"))


def test_a_product_without_name_and_price_takes_its_code_and_costs_nothing() -> None:
    product = plan(line("1", price="0.00", name="")).products["A"]
    assert (product.name, product.price) == ("A", Decimal("0.00"))


def test_stock_codes_that_differ_in_case_are_two_products() -> None:
    assert set(plan(line("1", "a"), line("1", "A")).products) == {"a", "A"}


def test_the_stock_covers_what_is_ordered_and_no_cancellation() -> None:
    product = plan(line("1", quantity=7), line("2", quantity=4), line("C3", quantity=5)).products["A"]
    assert (product.stock(1.0), product.stock(0.9)) == (11, 9)


def test_invoices_come_in_the_order_of_time_and_sum_their_lines() -> None:
    made = plan(line("2", hour=9), line("1", hour=8), line("2", quantity=2, hour=9), line("3", hour=9))
    assert [(invoice.number, dict(invoice.lines)) for invoice in made.invoices] == [
        ("1", {"A": 1}),
        ("2", {"A": 3}),
        ("3", {"A": 1}),
    ]


def test_only_the_first_invoices_are_kept_when_so_many_are_asked_for() -> None:
    made = plan(line("1"), line("2", customer="2"), line("3", customer="3"), most=2)
    assert made.customers == ["customer-1", "customer-2"]


def test_an_unknown_customer_shops_as_the_walk_in_of_the_country() -> None:
    assert account_name("", "United Kingdom") == "walk-in-united-kingdom"
    assert account_name("17850", "France") == "customer-17850"
    assert account_name("", "") == "walk-in-unspecified"


def test_every_tenth_known_customer_orders_through_the_cart() -> None:
    known = [line(str(number), customer=str(number)) for number in range(20)]
    assert plan(line("x", customer=""), *known).cart_customers == {"customer-0", "customer-10"}


def test_a_large_quantity_is_divided_into_several_orders() -> None:
    assert divide({"A": 2700, "B": 5}) == [{"A": 999, "B": 5}, {"A": 999}, {"A": 702}]


def test_an_invoice_of_many_lines_is_divided_into_several_orders() -> None:
    parts = divide({str(number): 1 for number in range(250)})
    assert [len(part) for part in parts] == [100, 100, 50]


@given(some.dictionaries(some.text(min_size=1, max_size=3), some.integers(1, 40), max_size=12))
def test_divided_orders_keep_the_limits_lose_nothing_and_are_as_few_as_can_be(lines: dict[str, int]) -> None:
    parts = divide(lines, most_pieces=10, most_lines=3)
    assert sum((Counter(part) for part in parts), Counter()) == lines
    assert all(len(part) <= 3 and max(part.values()) <= 10 for part in parts)
    needed = [-(-quantity // 10) for quantity in lines.values()]
    assert len(parts) == max([0, -(-sum(needed) // 3), *needed])
