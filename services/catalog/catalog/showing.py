"""The showing room: product pages as the database has them at this moment, many in one statement.

A page is kept with the marks that its product had when it was made. What is read each time is the marks alone, so a
page is never older than the question, and it is made anew only when its product has changed.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.finished import Finished
from catalog.models import ACTIVE, Product
from catalog.queries import SHOWN
from catalog.schemas import ProductView
from common.database import Sessions
from common.errors import NotFound, Problem

MOST_PAGES = 20_000
"""Of about 1 kB each."""
MARKS = ("id", "version", "updated_at", "on_hand", "reserved", "sold")
"""Whatever a page shows changes one of these: a description changes `updated_at`, a sale the numbers."""

_marks = select(*(getattr(Product, name) for name in MARKS)).where(Product.status == ACTIVE)
_shown = SHOWN.add_columns(Product.version).where(Product.status == ACTIVE)


class Showcase:
    """The pages of products on sale; for one thread at a time."""

    def __init__(self, sessions: Sessions, currency: str) -> None:
        self._sessions = sessions
        self._currency = currency
        self._kept: OrderedDict[int, tuple[tuple[Any, ...], Finished]] = OrderedDict()

    def show(self, ids: Sequence[int]) -> list[Finished | Problem]:
        """Each product's page, or NotFound for what is not on sale."""
        with self._sessions.begin() as session:
            marks = {row.id: tuple(row) for row in session.execute(_marks.where(Product.id.in_(set(ids))))}
            pages = {i: kept[1] for i, mark in marks.items() if (kept := self._kept.get(i)) and kept[0] == mark}
            pages |= self._make(session, marks.keys() - pages.keys())
        missing = NotFound("there is no such product", code="product_not_found")
        return [pages.get(product_id, missing) for product_id in ids]

    def _make(self, session: Session, ids: Collection[int]) -> dict[int, Finished]:
        """Make these pages and keep them, each with the marks of the very row that it shows."""
        rows = session.execute(_shown.where(Product.id.in_(ids))).all() if ids else []
        made = {row.id: Finished.of(ProductView.of(row, self._currency).model_dump_json().encode()) for row in rows}
        for row in rows:
            self._kept[row.id] = (tuple(getattr(row, name) for name in MARKS), made[row.id])
            self._kept.move_to_end(row.id)
        while len(self._kept) > MOST_PAGES:
            self._kept.popitem(last=False)
        return made
