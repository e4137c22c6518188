"""The counting room: how many products a list has, without counting them for each request."""

import time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalog.finding import conditions
from catalog.models import ACTIVE, Product
from catalog.schemas import ProductQuery
from catalog.versions import read_version

MOST_COUNTS = 1000
MANY, MANY_S = 50_000, 10.0
"""Counting more than so many takes tenths of a second; such a number may be so many seconds old."""
NOT_COUNTED_BY = {"page", "page_size", "cursor", "limit", "ordering"}


class Counts:
    """Numbers of products by filter, each counted once for each version of the catalogue's facts."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, float]] = {}

    def count(self, session: Session, query: ProductQuery) -> int:
        """How many products the list has; those of a status in all are kept with the version, never counted."""
        version = read_version(session)
        if not query.model_dump(exclude=NOT_COUNTED_BY | {"status"}, exclude_none=True):
            return version.count(query.status or ACTIVE)
        filters = query.model_dump_json(exclude=NOT_COUNTED_BY, exclude_none=True)
        facts, number, counted = self._known.get(filters, (-1, 0, 0.0))
        begun = time.monotonic()
        if facts != version.facts and (number <= MANY or begun - counted > MANY_S):
            number = session.scalar(select(func.count()).select_from(Product).where(*conditions(query))) or 0
            if len(self._known) >= MOST_COUNTS:
                self._known.clear()
            self._known[filters] = (version.facts, number, begun)
        return number
