"""What an operator can ask of cart: `python -m cart.commands rebuild` copies the whole catalogue again."""

import sys
from collections.abc import Sequence

from cart.clients import PAGE_TIMEOUT_S, Catalog
from cart.copying import rebuild_copies
from cart.settings import CartSettings
from common.commands import perform
from common.database import new_engine, new_sessions
from common.http import Sister
from common.service_tokens import Badge

ATTEMPTS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    return perform("cart", "rebuild", "copy the whole catalogue again", _rebuild, arguments)


def _rebuild() -> tuple[list[str], int]:
    return [f"{rebuild(CartSettings())} products copied"], 0


def rebuild(settings: CartSettings) -> int:
    """Copy the catalogue; how many products it has. Safe beside a running service. Raises Unavailable."""
    engine = new_engine(settings.database_url, pool_size=1)
    badge = Badge("cart", settings.service_key)
    sister = Sister("catalog", settings.catalog_url, badge, timeout_s=PAGE_TIMEOUT_S, attempts=ATTEMPTS)
    try:
        return rebuild_copies(new_sessions(engine), Catalog(sister))
    finally:
        sister.close()
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
