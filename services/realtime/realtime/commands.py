"""What an operator can ask of realtime: `python -m realtime.commands rebuild` builds all counts anew."""

import sys
from collections.abc import Iterator, Sequence

from common.checking import STATEMENT_S, Check, check_command
from common.commands import Command, perform
from common.database import opened
from common.http import opened_sister
from common.resuming import resume_command
from common.upkeep import upkeep
from realtime.checking import own_checks
from realtime.clients import PAGE_TIMEOUT_S, Catalog, Orders
from realtime.rebuilding import rebuild_counts
from realtime.settings import RealtimeSettings
from realtime.usecases import rename_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    anew = Command("rebuild", "count all orders anew", _rebuild)
    resume = resume_command(RealtimeSettings, rename_streams, hears=True)
    return perform("realtime", [anew, check_command(_checks), resume], arguments)


def _checks(patience_s: float) -> Iterator[Check]:
    settings = RealtimeSettings()
    with (
        opened(settings.database_url, STATEMENT_S) as (engine, sessions),
        opened_sister("catalog", settings.catalog_url, "realtime", settings.service_key, PAGE_TIMEOUT_S) as sister,
    ):
        yield from own_checks(sessions, Catalog(sister), patience_s)
        yield from upkeep("realtime", engine, sessions, settings.broker_url, patience_s, says=False, works=False)


def _rebuild() -> tuple[list[str], int]:
    return [f"{rebuild(RealtimeSettings())} orders counted"], 0


def rebuild(settings: RealtimeSettings) -> int:
    """Count all orders anew; how many there are. Safe beside a running service. Raises Unavailable or Conflict."""
    with (
        opened(settings.database_url, STATEMENT_S) as (_, sessions),
        opened_sister("orders", settings.orders_url, "realtime", settings.service_key, PAGE_TIMEOUT_S) as sister,
    ):
        return rebuild_counts(sessions, Orders(sister))


if __name__ == "__main__":
    sys.exit(main())
