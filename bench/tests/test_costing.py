"""What one of many costs each process, and what it would have used anyway."""

import pytest

from measuring.costing import Reading, costs_ms, figure_of
from measuring.results import NoLoad

pytestmark = pytest.mark.unit


def test_what_a_process_uses_at_rest_is_no_cost() -> None:
    rest, begin = Reading(0.0, {"orders": 10.0}), Reading(5.0, {"orders": 10.5})
    end = Reading(15.0, {"orders": 13.5})
    assert costs_ms(rest, begin, end, 100) == {"orders": pytest.approx(20.0)}


def test_the_dearest_comes_first_and_nothing_costs_less_than_nothing() -> None:
    rest, begin = Reading(0.0, {"cart": 0.0, "orders": 0.0}), Reading(1.0, {"cart": 1.0, "orders": 0.0})
    end = Reading(2.0, {"cart": 1.5, "orders": 4.0})
    assert list(costs_ms(rest, begin, end, 1000).items()) == [("orders", 4.0), ("cart", 0.0)]


def test_a_process_that_was_not_there_all_the_time_is_left_out() -> None:
    rest, begin = Reading(0.0, {"cart": 0.0}), Reading(1.0, {"cart": 0.0, "orders": 0.0})
    assert costs_ms(rest, begin, Reading(2.0, {"orders": 4.0}), 1) == {}


def test_nothing_done_is_no_measurement() -> None:
    rest = Reading(0.0, {})
    with pytest.raises(NoLoad):
        costs_ms(rest, Reading(1.0, {}), Reading(2.0, {}), 0)


def test_the_cost_is_told_by_process_and_in_all() -> None:
    assert figure_of({"orders": 1.25, "cart": 0.5}).rows == (
        ("orders", "1.25"),
        ("cart", "0.50"),
        ("**all**", "**1.75**"),
    )
