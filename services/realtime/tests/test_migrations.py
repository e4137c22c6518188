"""The schema's tests."""

from collections.abc import Callable
from pathlib import Path

from common.testing.migrations import walk


def test_the_schema_goes_up_and_down_and_agrees_with_the_models(empty_schema: Callable[[str], str]) -> None:
    walk(Path(__file__).parent.parent, empty_schema("realtime"))
