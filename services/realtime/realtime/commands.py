"""What an operator can ask of realtime: `python -m realtime.commands rebuild` builds all counts anew."""

import sys
from collections.abc import Sequence

from common.commands import perform
from common.database import new_engine, new_sessions
from common.http import Sister
from common.service_tokens import Badge
from realtime.clients import PAGE_TIMEOUT_S, Orders
from realtime.rebuilding import rebuild_counts
from realtime.settings import RealtimeSettings

ATTEMPTS = 3
STATEMENT_S = 60
"""How long one statement may take; the last step writes all counts at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    return perform("realtime", "rebuild", "count all orders anew", _rebuild, arguments)


def _rebuild() -> tuple[list[str], int]:
    return [f"{rebuild(RealtimeSettings())} orders counted"], 0


def rebuild(settings: RealtimeSettings) -> int:
    """Count all orders anew; how many there are. Safe beside a running service. Raises Unavailable or Conflict."""
    engine = new_engine(settings.database_url, pool_size=1, read_timeout_s=STATEMENT_S)
    badge = Badge("realtime", settings.service_key)
    sister = Sister("orders", settings.orders_url, badge, timeout_s=PAGE_TIMEOUT_S, attempts=ATTEMPTS)
    try:
        return rebuild_counts(new_sessions(engine), Orders(sister))
    finally:
        sister.close()
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
