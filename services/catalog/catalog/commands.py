"""What an operator can ask of catalog: `python -m catalog.commands reconcile` checks that the books add up."""

import sys
from collections.abc import Sequence

from catalog.reconciling import reconcile
from catalog.settings import CatalogSettings
from catalog.stock_schemas import Difference, Reconciliation
from common.commands import perform
from common.database import new_engine, new_sessions

STATEMENT_S = 60
"""How long one statement may take; nobody waits for an answer here."""
IN_ORDER, DIFFERENT, NOT_LOOKED = 0, 1, 2
"""Exit codes; the last one is that of arguments that are no command, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; the exit code."""
    about = "compare every counter with what it counts"
    return perform("catalog", "reconcile", about, _reconcile, arguments, failed=NOT_LOOKED)


def _reconcile() -> tuple[list[str], int]:
    found = _reconciled(CatalogSettings())
    return _lines(found), DIFFERENT if found.differences else IN_ORDER


def _reconciled(settings: CatalogSettings) -> Reconciliation:
    engine = new_engine(settings.database_url, pool_size=1, read_timeout_s=STATEMENT_S)
    try:
        return reconcile(new_sessions(engine))
    finally:
        engine.dispose()


def _lines(found: Reconciliation) -> list[str]:
    number = len(found.differences)
    known = f"more than {number}" if found.more else str(number)
    return [*map(_line, found.differences), f"{found.checked} products checked, {known} differences"]


def _line(it: Difference) -> str:
    whose = "all products" if it.product_id is None else f"product {it.product_id} ({it.sku or 'no SKU'})"
    return f"{whose}: {it.what} is {it.found}, expected {it.expected}"


if __name__ == "__main__":
    sys.exit(main())
