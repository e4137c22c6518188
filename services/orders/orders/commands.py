"""What an operator can ask of orders: `python -m orders.commands check` looks for what does not fit."""

import sys
from collections.abc import Iterator, Sequence

from common.checking import STATEMENT_S, Check, check_command
from common.commands import perform
from common.database import opened
from common.resuming import resume_command
from common.upkeep import upkeep
from orders.checking import own_checks
from orders.settings import OrdersSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    return perform("orders", [check_command(_checks), resume_command(OrdersSettings, says=True)], arguments)


def _checks(patience_s: float) -> Iterator[Check]:
    settings = OrdersSettings()
    with opened(settings.database_url, STATEMENT_S) as (engine, sessions):
        yield from own_checks(sessions)
        yield from upkeep("orders", engine, sessions, settings.broker_url, patience_s, says=True, works=False)


if __name__ == "__main__":
    sys.exit(main())
