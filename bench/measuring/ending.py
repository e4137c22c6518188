"""How a measurement ends: in time, in one sentence and an exit code, and with nothing left half done."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from measuring.results import NoFigure, NoLoad
from measuring.tools import NoTool
from measuring.writing import NoPlace
from stoa.preflight import NotNow
from stoa.servers import ServerFailed

FAILED, IMPOSSIBLE, INTERRUPTED = 1, 2, 130
"""Something was not measured; nothing could be; what shells give for a Ctrl-C."""
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what may go wrong into one sentence and an exit code."""
    end_when_asked()
    try:
        yield
    except (NoTool, NoPlace, NoFigure) as failure:
        _refuse(str(failure), IMPOSSIBLE)
    except (NoLoad, ServerFailed, NotNow) as failure:
        _refuse(str(failure), FAILED)
    except KeyboardInterrupt:
        _refuse("Interrupted.", INTERRUPTED)


def end_when_asked() -> None:
    """Each way to ask for the end is a Ctrl-C, so that what was begun is undone."""
    for number in ENDS[1:]:
        signal.signal(number, _interrupt)


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """Raises NoLoad when the block takes longer, wherever it is then."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise NoLoad(f"{what} has not ended within {seconds:.0f} s.")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whoever asks for the end meanwhile gets it afterwards: what is being undone must not stay behind half undone."""
    asked: list[int] = []
    before = [signal.signal(number, lambda number, _: asked.append(number)) for number in ENDS]
    try:
        yield
    finally:
        for number, handler in zip(ENDS, before, strict=True):
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _refuse(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(code)
