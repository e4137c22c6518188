"""A catalogue of any size, made up but always the same: names of common and rare words, categories, prices, sales."""

import random
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, func, insert, select, text, update

from catalog.models import catalogue_versions, categories, products
from catalog.words import searched
from common.clock import now
from measuring.results import Step

COMMON = (
    *("red", "blue", "green", "olive", "marble", "wooden", "silver", "golden", "small", "large", "round", "square"),
    *("lantern", "lamp", "bowl", "vase", "table", "chair", "mirror", "candle", "basket", "blanket", "pillow", "clock"),
)
SYLLABLES = [c + v for c in "bcdfglmnprst" for v in "aeiou"]
CATEGORIES = 100
CHUNK = 5000


def fill(engine: Engine, number: int, step: Step) -> None:
    """Make so many products in all, as if each had been entered once."""
    with engine.begin() as connection:
        there = connection.scalar(select(func.count()).select_from(products)) or 0
        rows = [{"slug": f"category-{n}", "name": f"Category {n}", "created_at": now()} for n in range(CATEGORIES)]
        connection.execute(
            insert(categories).prefix_with("IGNORE", dialect="mysql").prefix_with("IGNORE", dialect="mariadb"), rows
        )
    for begin in range(there, number, CHUNK):
        step(f"make products, {begin:,} of {number:,}")
        with engine.begin() as connection:
            connection.execute(insert(products), list(made_up(begin, min(number, begin + CHUNK))))
    _settle(engine)


def _settle(engine: Engine) -> None:
    """The version's counts, and what the planner knows, as they would be."""
    with engine.begin() as connection:
        counted = select(products.c.status, func.count()).group_by(products.c.status)
        numbers = dict(map(tuple, connection.execute(counted)))
        table = catalogue_versions
        connection.execute(update(table).values(draft=0, active=0, archived=0))
        connection.execute(update(table).where(table.c.shard == 0).values(facts=table.c.facts + 1, **numbers))
        connection.execute(text("ANALYZE TABLE products"))


def made_up(begin: int, end: int) -> Iterator[dict[str, Any]]:
    """The rows of these products, by their numbers."""
    moment = now()
    for n in range(begin, end):
        chance = random.Random(n)  # noqa: S311 - the same catalogue each time
        rare = ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(2)]
        name, sku = " ".join([*chance.sample(COMMON, 2), *rare]), f"BENCH-{n:07d}"
        yield {
            "sku": sku,
            "name": name,
            "description": f"A {name}, made by hand.",
            "price": chance.randint(100, 99_999) / 100,
            "status": "draft" if n % 50 == 0 else "active",
            "category": f"category-{chance.randrange(CATEGORIES)}",
            "words": searched(name, sku),
            "on_hand": 0 if n % 30 == 0 else chance.randint(1, 500),
            "reserved": 0,
            "sold": chance.randint(0, 3000),
            "version": 1,
            "created_at": moment,
            "updated_at": moment,
        }
