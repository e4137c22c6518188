"""What an operator can ask of realtime: `python -m realtime.commands rebuild` builds all counts anew."""

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from common import logs
from common.database import new_engine, new_sessions
from common.errors import Conflict, Unavailable
from common.http import Sister
from common.service_tokens import Badge
from realtime.clients import PAGE_TIMEOUT_S, Orders
from realtime.rebuilding import rebuild_counts
from realtime.settings import RealtimeSettings

ATTEMPTS = 3
STATEMENT_S = 60
"""How long one statement may take; the last step writes all counts at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m realtime.commands")
    parser.add_subparsers(required=True).add_parser("rebuild", help="count all orders anew")
    parser.parse_args(arguments)
    settings = RealtimeSettings()
    logs.configure("realtime", settings.log_level)
    try:
        count = rebuild(settings)
    except (Unavailable, Conflict) as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    except SQLAlchemyError as error:
        sys.stderr.write(f"the database cannot be asked: {error.__class__.__name__}\n")
        return 1
    sys.stdout.write(f"{count} orders counted\n")
    return 0


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
