"""What an operator can ask of catalog: `python -m catalog.commands reconcile` checks that the books add up."""

import sys
from collections.abc import Iterator, Sequence

from catalog.checking import own_checks, say_difference
from catalog.clients import PAGE_TIMEOUT_S, Orders
from catalog.reconciling import reconcile
from catalog.settings import CatalogSettings
from catalog.stock_schemas import Reconciliation
from common.checking import STATEMENT_S, Check, check_command
from common.commands import Command, perform
from common.database import opened
from common.http import opened_sister
from common.resuming import resume_command
from common.upkeep import upkeep

IN_ORDER, DIFFERENT, NOT_LOOKED = 0, 1, 2
"""Exit codes; the last one is that of arguments that are no command, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    books = Command("reconcile", "compare every counter with what it counts", _reconcile, failed=NOT_LOOKED)
    resume = resume_command(CatalogSettings, says=True, hears=True)
    return perform("catalog", [books, check_command(_checks), resume], arguments)


def _checks(patience_s: float) -> Iterator[Check]:
    settings = CatalogSettings()
    with (
        opened(settings.database_url, STATEMENT_S) as (engine, sessions),
        opened_sister("orders", settings.orders_url, "catalog", settings.service_key, PAGE_TIMEOUT_S) as sister,
    ):
        yield from own_checks(sessions, Orders(sister), patience_s)
        yield from upkeep("catalog", engine, sessions, settings.broker_url, patience_s, says=True, works=True)


def _reconcile() -> tuple[list[str], int]:
    with opened(CatalogSettings().database_url, STATEMENT_S) as (_, sessions):
        found = reconcile(sessions)
    return _lines(found), DIFFERENT if found.differences else IN_ORDER


def _lines(found: Reconciliation) -> list[str]:
    number = len(found.differences)
    known = f"more than {number}" if found.more else str(number)
    return [*map(say_difference, found.differences), f"{found.checked} products checked, {known} differences"]


if __name__ == "__main__":
    sys.exit(main())
