"""The terminal's room: how every command of an operator speaks, and how it ends when something goes wrong."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from stoa.containers import Fleet, in_containers
from stoa.importing import Left
from stoa.preflight import NotNow
from stoa.servers import ServerFailed
from stoa.settings import BadSettings, Settings
from stoa.starting import House

console = Console()
errors = Console(stderr=True)

INTERRUPTED = 130
"""What shells give for a Ctrl-C."""

Url = Annotated[str | None, typer.Option(help="The gateway; without it the local stack's.")]
Username = Annotated[str | None, typer.Option(help="Without it STOA_ADMIN_USERNAME, or the demo's.")]
Password = Annotated[str | None, typer.Option(help="Without it STOA_ADMIN_PASSWORD, or the demo's.")]


def house(settings: Settings) -> House | Fleet:
    """What starts and stops the stack, here or in containers, and shows what it does."""
    return Fleet(settings, step) if in_containers(settings) else House(settings, step)


def native_house(settings: Settings, instead: str) -> House:
    """The same for what can be done on this machine only. Raises NotNow, which says what to do instead."""
    at = house(settings)
    if isinstance(at, Fleet):
        raise NotNow(f"The stack runs in containers: {instead}")
    return at


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show what is being done, and afterwards how long it took."""
    begun = time.monotonic()
    with console.status(f"{text} …"):
        yield
    console.print(f"  [green]✓[/green] {text} [dim]{time.monotonic() - begun:.1f} s[/dim]")


@contextmanager
def sentences(code: int = 1) -> Iterator[None]:
    """Turn what may go wrong into one sentence, what a log said last, and the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        yield
    except (NotNow, ServerFailed) as failure:
        _refuse(failure.sentence, failure.tail, code)
    except BadSettings as failure:
        _refuse(str(failure), code=code)
    except Left as left:
        _refuse(str(left), code=INTERRUPTED)
    except KeyboardInterrupt:
        _refuse("Interrupted; what this call had started is stopped again.")
    except OSError as failure:
        _refuse(f"{failure.strerror or failure}: {failure.filename or 'no file named'}.", code=code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _refuse(sentence: str, tail: str = "", code: int = 1) -> None:
    if tail:
        errors.print(tail, style="dim", markup=False, highlight=False, soft_wrap=True)
    errors.print(sentence, style="bold red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)
