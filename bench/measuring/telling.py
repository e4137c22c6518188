"""The progress display's room: which figure, which alternative and round of it, and about how much longer."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

QUIET_S = 15
"""Between two lines on something that is no terminal."""
LEAST_S = 60
"""Below that it is told as less than a minute."""


class Left:
    """About how much longer, from what each part takes as a rule and what has been done."""

    def __init__(self, parts: dict[str, int]) -> None:
        self._parts = dict(parts)
        self._now = ""
        self._begun = 0.0
        self.total = sum(parts.values())

    def begin(self, part: str, moment: float) -> None:
        """This part is what is done now, from this moment in seconds on."""
        self._parts.pop(self._now, None)
        self._now, self._begun = part, moment

    def seconds(self, moment: float) -> float:
        """A part that takes longer than as a rule is thought to end any moment."""
        spent = min(moment - self._begun, self._parts.get(self._now, 0)) if self._now else 0.0
        return sum(self._parts.values()) - spent


class LeftColumn(ProgressColumn):
    """How much longer, as it is thought at the moment."""

    def __init__(self, left: Left) -> None:
        super().__init__()
        self._left = left

    def render(self, _task: Task) -> Text:
        """The column's text."""
        return Text(f"{about(self._left.seconds(time.monotonic()))} left", style="cyan")


class Telling:
    """The display: one bar for all of it; on something that is no terminal a line now and then."""

    def __init__(self, console: Console, parts: dict[str, int]) -> None:
        self._console = console
        self._left = Left(parts)
        self._said = 0.0
        self._part = ""
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            LeftColumn(self._left),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            refresh_per_second=1,  # what is measured has the processor
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=self._left.total, note="")

    def begin(self, part: str) -> None:
        """Another part begins."""
        self._part = part
        self._left.begin(part, time.monotonic())
        self._said = 0.0
        self.step("")

    def step(self, note: str) -> None:
        """What of it is done next."""
        moment = time.monotonic()
        left = self._left.seconds(moment)
        self._progress.update(self._task, description=self._part, completed=self._left.total - left, note=note)
        if not self._console.is_terminal and moment - self._said > QUIET_S:
            self._said = moment
            self._console.print(f"{self._part}: {note} ({about(left)} left)" if note else f"{self._part} …")

    def __enter__(self) -> "Telling":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def about(seconds: float) -> str:
    """In minutes, as it is only about right."""
    return "less than a minute" if seconds < LEAST_S else f"about {seconds / 60:.0f} min"
