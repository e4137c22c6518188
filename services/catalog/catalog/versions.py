"""The versions' room: numbers that move with every committed change of the catalogue, and count its products.

They are kept in a few rows, of which a transaction takes one at random as the last thing before its commit: so none
waits long for another, none can deadlock over them, and their sums are exact in every process, whatever crashes.
`facts` moves with what administrators write and with availability, `stock` with pieces held, sold and given back.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from catalog.models import ACTIVE, ARCHIVED, DRAFT, SHARDS, catalogue_versions

MOVED = "catalogue_moved"
"""Key in `session.info`: by how much each number moves with this transaction's commit."""
COMMITTED = "catalogue_committed"
"""The same, for whoever listens to the commit."""
FACTS, STOCK = "facts", "stock"
NUMBERS = (FACTS, STOCK, DRAFT, ACTIVE, ARCHIVED)


@dataclass(frozen=True, slots=True)
class Version:
    """The catalogue's version, and its products by status."""

    facts: int
    stock: int
    draft: int
    active: int
    archived: int

    def count(self, status: str) -> int:
        """How many products have this status."""
        counts: dict[str, int] = {DRAFT: self.draft, ACTIVE: self.active, ARCHIVED: self.archived}
        return counts[status]


def move(session: Session, name: str) -> None:
    """One of the two version numbers moves with this transaction's commit."""
    session.info.setdefault(MOVED, {})[name] = 1


def count_in(session: Session, status: str, before: str | None = None, number: int = 1) -> None:
    """So many products have this status from now on, and had `before`, None for new ones; the facts move."""
    move(session, FACTS)
    if status == before:
        return
    moved = session.info[MOVED]
    moved[status] = moved.get(status, 0) + number
    if before is not None:
        moved[before] = moved.get(before, 0) - number


def read_version(session: Session) -> Version:
    """What is committed now."""
    sums = (func.coalesce(func.sum(catalogue_versions.c[name]), 0) for name in NUMBERS)
    return Version(*map(int, session.execute(select(*sums)).one()))


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    moved: Mapping[str, int] = session.info.pop(MOVED, {})
    session.info[COMMITTED] = moved
    if moved:
        table = catalogue_versions
        values: dict[str, Any] = {name: table.c[name] + by for name, by in moved.items() if by}
        shard = random.randrange(SHARDS)  # noqa: S311 - spreads the load
        session.execute(update(table).where(table.c.shard == shard).values(values))
