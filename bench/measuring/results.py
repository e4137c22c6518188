"""What a measurement has found: a table, what it says of the goal, and what is drawn of it."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Step = Callable[[str], None]
"""Told what is done next, in a few words."""


class NoLoad(Exception):
    """Why nothing was measured; the text is a sentence."""


class NoFigure(NoLoad):
    """A figure that nothing measures; the text is a sentence."""


@dataclass(frozen=True)
class Verdict:
    """What was wanted of a number, and whether it is so."""

    what: str
    found: str
    goal: str
    reached: bool


@dataclass(frozen=True)
class Bars:
    """Lengths side by side, each series in a colour of its own; `unit` says of what, `goal` where a line stands."""

    unit: str
    names: tuple[str, ...]
    series: Mapping[str, tuple[float, ...]]
    goal: float | None = None
    goal_text: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure of the document. `key` is its number, with a word or two where one number has several."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bars: Bars
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The key as a part of a file's name."""
        return slug_of(self.key)


def slug_of(key: str) -> str:
    """A figure's key as a part of a file's name."""
    return key.lower().replace(" ", "-")


def at_least(what: str, found: float, least: float) -> Verdict:
    """The verdict on a share that should be no smaller."""
    return Verdict(what, f"{found:.2f}", f"≥ {least:g}", found >= least)


def at_most(what: str, found: float, most: float, unit: str = "") -> Verdict:
    """The verdict on a number that should be no larger."""
    return Verdict(what, f"{found:.{0 if unit else 2}f}{unit}", f"≤ {most:g}{unit}", found <= most)


def share_of(part: float, whole: float) -> float:
    """The part as a share of the whole. Raises NoLoad where there is no whole."""
    if not whole:
        raise NoLoad("Nothing came of what the others are compared with.")
    return part / whole


def median_of(things: Iterable[object], what: str) -> float:
    """The median of one attribute."""
    return float(statistics.median(getattr(each, what) for each in things))
