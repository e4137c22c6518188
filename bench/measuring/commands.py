"""What the commands for single figures have in common: the sentences, the tools, and a line that says what is done."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console

from measuring.ending import sentences
from measuring.results import Figure, Step
from measuring.showing import show
from measuring.tools import Tool, require

console = Console(highlight=False)


@contextmanager
def alone(*tools: Tool) -> Iterator[Step]:
    """Measure within this; it gives whom to tell of each step."""
    with sentences():
        require(tools)
        with console.status("…") as status:
            yield status.update


def print_all(figures: Iterable[Figure]) -> None:
    """For whoever looks on."""
    for figure in figures:
        show(console, figure)
