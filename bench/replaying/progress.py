"""The progress bar's room: which phase runs, how much of it is done, how fast."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class Rate(ProgressColumn):
    """Steps per second, of the last moments or, at the end, of the whole phase."""

    def render(self, task: Task) -> Text:
        """The column's text for one phase."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.1f}/s" if speed else "", style="cyan")


class Phase:
    """One line of the display."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def step(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)

    def at(self, done: int, total: int) -> None:
        """So many of so many are done."""
        self._progress.update(self._task, completed=done, total=total)

    def say(self, text: str) -> None:
        """What is going on, where there is nothing to count."""
        self._progress.update(self._task, note=text)

    def end(self) -> None:
        """All of it is done."""
        task = self._progress.tasks[self._task]
        total = task.total if task.total is not None else max(task.completed, 1)
        self._progress.update(self._task, completed=total, total=total)


class Phases:
    """The display; on something that is no terminal each phase is one line when it begins."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            Rate(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )

    def begin(self, name: str, total: int | None = None) -> Phase:
        """A new line; without a total the bar only shows that something moves."""
        if not self._console.is_terminal:
            self._console.print(f"{name} …" if total is None else f"{name} ({total:,}) …")
        return Phase(self._progress, self._progress.add_task(name, total=total, note=""))

    def __enter__(self) -> "Phases":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
