"""What an operator can ask of notifier: `python -m notifier.commands check` looks for mails missing or stuck."""

import sys
from collections.abc import Iterator, Sequence

from common.checking import STATEMENT_S, Check, check_command
from common.commands import perform
from common.database import opened
from common.http import opened_sister
from common.resuming import resume_command
from common.upkeep import upkeep
from notifier.checking import own_checks
from notifier.clients import PAGE_TIMEOUT_S, Orders
from notifier.queueing import make_due
from notifier.settings import NotifierSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    resume = resume_command(NotifierSettings, make_due, hears=True)
    return perform("notifier", [check_command(_checks), resume], arguments)


def _checks(patience_s: float) -> Iterator[Check]:
    settings = NotifierSettings()
    with (
        opened(settings.database_url, STATEMENT_S) as (engine, sessions),
        opened_sister("orders", settings.orders_url, "notifier", settings.service_key, PAGE_TIMEOUT_S) as sister,
    ):
        yield from own_checks(sessions, Orders(sister), patience_s)
        yield from upkeep("notifier", engine, sessions, settings.broker_url, patience_s, says=False, works=True)


if __name__ == "__main__":
    sys.exit(main())
