"""What an operator can ask of cart: `python -m cart.commands rebuild` copies the whole catalogue again."""

import sys
from collections.abc import Iterator, Sequence

from cart.checking import own_checks
from cart.clients import PAGE_TIMEOUT_S, Catalog
from cart.copying import rebuild_copies
from cart.settings import CartSettings
from common.checking import STATEMENT_S, Check, check_command
from common.commands import Command, perform
from common.database import opened
from common.http import opened_sister
from common.resuming import resume_command
from common.upkeep import upkeep


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    anew = Command("rebuild", "copy the whole catalogue again", _rebuild)
    return perform("cart", [anew, check_command(_checks), resume_command(CartSettings, hears=True)], arguments)


def _checks(patience_s: float) -> Iterator[Check]:
    settings = CartSettings()
    with (
        opened(settings.database_url, STATEMENT_S) as (engine, sessions),
        opened_sister("catalog", settings.catalog_url, "cart", settings.service_key, PAGE_TIMEOUT_S) as sister,
    ):
        yield from own_checks(sessions, Catalog(sister), patience_s)
        yield from upkeep("cart", engine, sessions, settings.broker_url, patience_s, says=False, works=False)


def _rebuild() -> tuple[list[str], int]:
    return [f"{rebuild(CartSettings())} products copied"], 0


def rebuild(settings: CartSettings) -> int:
    """Copy the catalogue; how many products it has. Safe beside a running service. Raises Unavailable."""
    with (
        opened(settings.database_url) as (_, sessions),
        opened_sister("catalog", settings.catalog_url, "cart", settings.service_key, PAGE_TIMEOUT_S) as sister,
    ):
        return rebuild_copies(sessions, Catalog(sister))


if __name__ == "__main__":
    sys.exit(main())
