"""The checking room: what a service finds when it holds itself against its sisters, while everything runs.

Numbers move meanwhile, so what differs is compared again until it agrees or the patience is over: a fault is only what
stays. No service reads another's schema: each asks its sisters at their doors, page by page in the order of ids.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError

from common.commands import Command
from common.errors import Problem

PATIENCE_S = 20.0
"""How long what differs may take to agree: an event's way is milliseconds, its second and third try 11 s."""
PAUSE_S = 0.25
MOST_SUSPECTS = 1000
"""As many differences are kept and compared again; where there are more, something larger is wrong."""
MOST_NAMED = 5
LOOKS = 3
STATEMENT_S = 600
"""How long one statement of a check may take: some add up all orders, and nobody waits behind them."""
WELL, WRONG, NOT_ASKED = 0, 1, 2
"""Exit codes; the last one is that of arguments that are no command, too."""

K = TypeVar("K")


class Finding(BaseModel):
    """What came of one comparison; a line of the table that operators see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    compared: str
    between: str
    found: str
    state: Literal["well", "wrong", "not asked"]


@dataclass(frozen=True)
class Seen:
    """How much was looked at, in words, and what is wrong with it; `more` if that is not all."""

    told: str
    wrong: Sequence[str] = ()
    more: bool = False

    @property
    def sentence(self) -> str:
        """What is wrong, named up to a few; else how much there was."""
        if not self.wrong:
            return self.told
        left = len(self.wrong) - MOST_NAMED
        rest = [f"and {'more than ' if self.more else ''}{left} others"] if left > 0 else []
        return "; ".join([*self.wrong[:MOST_NAMED], *rest])


@dataclass(frozen=True)
class Check:
    """A comparison: what, between whom, and how."""

    compared: str
    between: str
    look: Callable[[], Seen]

    def find(self) -> Finding:
        """Compare. What cannot be asked is a finding as well, and keeps nobody from the other comparisons."""
        try:
            seen = self.look()
        except Problem as problem:
            return self._finding(problem.detail, "not asked")
        except SQLAlchemyError as error:
            return self._finding(f"the database cannot be asked: {error.__class__.__name__}", "not asked")
        return self._finding(seen.sentence, "wrong" if seen.wrong else "well")

    def _finding(self, found: str, state: Literal["well", "wrong", "not asked"]) -> Finding:
        return Finding(compared=self.compared, between=self.between, found=found, state=state)


@dataclass
class Suspicion(Generic[K]):
    """Differences by their ids as they come up, each with its sentence; no more than can be kept in mind."""

    suspects: dict[K, str] = field(default_factory=dict)
    more: bool = False

    def add(self, differing: Mapping[K, str]) -> None:
        """Note these, as far as there is room."""
        room = MOST_SUSPECTS - len(self.suspects)
        self.more = self.more or len(differing) > room
        self.suspects.update(list(differing.items())[:room])

    def settle(self, told: str, again: Callable[[Sequence[K]], Mapping[K, str]], patience_s: float) -> Seen:
        """What was seen of all that, once what differed has been compared again for so long."""
        left: Mapping[K, str] = self.suspects
        until = time.monotonic() + patience_s
        while left and time.monotonic() < until:
            time.sleep(PAUSE_S)
            left = again(list(left))
        return Seen(told, list(left.values()), more=self.more)


def compare(
    what: str,
    pages: Callable[[], Iterable[tuple[int, Mapping[K, str]]]],
    again: Callable[[Sequence[K]], Mapping[K, str]],
    patience_s: float,
) -> Seen:
    """What two sides differ in, read side by side: each of the `pages` is how much it held and what differed in it.

    Where more differed than can be kept in mind, and what was kept has settled, all of it is looked at anew.
    """
    for _ in range(LOOKS):
        suspicion, count = Suspicion[K](), 0
        for number, differing in pages():
            count += number
            suspicion.add(differing)
        seen = suspicion.settle(f"{count} {what}", again, patience_s)
        if seen.wrong or not suspicion.more:
            return seen
    return Seen(seen.told, [f"more than {MOST_SUSPECTS} of {seen.told} differ whenever one looks"])


def chunked(ids: Sequence[K], most: int) -> Iterator[Sequence[K]]:
    """The ids, so many at a time."""
    return (ids[begin : begin + most] for begin in range(0, len(ids), most))


def check_command(checks: Callable[[float], Iterable[Check]]) -> Command:
    """The word by which a service is checked; `checks` are told the patience in seconds.

    Each finding is a line of JSON; the exit code is 1 if something is wrong, 2 if something could not be asked.
    """
    patience = {"type": float, "default": PATIENCE_S, "help": "seconds that what differs has to agree in"}
    about = "hold everything against each other, one finding a line"
    return Command("check", about, partial(_check, checks), {"--patience": patience}, failed=NOT_ASKED)


def _check(checks: Callable[[float], Iterable[Check]], *, patience: float) -> tuple[list[str], int]:
    findings = [check.find() for check in checks(patience)]
    return [finding.model_dump_json() for finding in findings], code_of(findings)


def code_of(findings: Iterable[Finding]) -> int:
    """The exit code: that something is wrong counts for more than that something could not be asked."""
    states = {finding.state for finding in findings}
    if "wrong" in states:
        return WRONG
    return NOT_ASKED if "not asked" in states else WELL
