"""The operator's room: what a service does at a terminal, and how it ends there."""

import argparse
import sys
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from common import logs
from common.errors import Problem
from common.settings import Settings

Work = Callable[[], tuple[list[str], int]]
"""Lines for the operator, and the exit code."""


def perform(
    service: str, word: str, about: str, work: Work, arguments: Sequence[str] | None = None, *, failed: int = 1
) -> int:
    """Do the one thing that the service's command line knows; the exit code, `failed` if it could not be done."""
    parser = argparse.ArgumentParser(prog=f"python -m {service}.commands")
    parser.add_subparsers(required=True).add_parser(word, help=about)
    parser.parse_args(arguments)
    logs.configure(service, Settings().log_level)
    try:
        lines, code = work()
    except Problem as problem:
        sys.stderr.write(f"{problem.detail}\n")
        return failed
    except SQLAlchemyError as error:
        sys.stderr.write(f"the database cannot be asked: {error.__class__.__name__}\n")
        return failed
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return code
