"""The schema of cart goes up, agrees with the models, goes down and up again."""

from collections.abc import Callable
from pathlib import Path

from common.testing.migrations import walk

SERVICE = Path(__file__).parents[1]


def test_the_schema_can_be_built_taken_down_and_built_again(empty_schema: Callable[[str], str]) -> None:
    walk(SERVICE, empty_schema("cart_walk"))
