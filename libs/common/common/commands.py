"""The operator's room: what a service does at a terminal, and how it ends there."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from common import logs
from common.errors import Problem
from common.settings import Settings

Work = Callable[..., tuple[list[str], int]]
"""Given the options by name: lines for the operator, and the exit code."""


@dataclass(frozen=True)
class Command:
    """A word that a service's command line knows; `failed` is the exit code where it could not be done."""

    word: str
    about: str
    work: Work
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: int = 1


def perform(service: str, commands: Sequence[Command], arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {service}.commands")
    words = parser.add_subparsers(required=True)
    for command in commands:
        known = words.add_parser(command.word, help=command.about)
        known.set_defaults(command=command)
        for name, form in command.options.items():
            known.add_argument(name, **form)
    options = vars(parser.parse_args(arguments))
    logs.configure(service, Settings().log_level)
    return _done(options.pop("command"), options)


def _done(command: Command, options: Mapping[str, Any]) -> int:
    try:
        lines, code = command.work(**options)
    except Problem as problem:
        sys.stderr.write(f"{problem.detail}\n")
        return command.failed
    except SQLAlchemyError as error:
        sys.stderr.write(f"the database cannot be asked: {error.__class__.__name__}\n")
        return command.failed
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return code
