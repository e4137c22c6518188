"""P9, lists of orders as their table grows: tables of 25 thousand, one and ten million lines, one client, so that what
is measured is how long a request takes. Each path is asked once only."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import jwt

from common.clock import now
from common.pagination import encode_cursor
from measuring.growing import grown
from measuring.history import APART_S, LINES_EACH, begun, remember
from measuring.house import Bench
from measuring.loading import Load, Sent, load
from measuring.people import sign_up
from measuring.results import Figure, Step

BUYERS = 20
PATHS = 4000
WARM = 50


@dataclass(frozen=True)
class Pace:
    """Orders in the table, growing; each list is asked for so long at each size."""

    sizes: tuple[int, ...] = (10_000, 400_000, 4_000_000)
    seconds: int = 4


def as_they_grow(running: Bench, step: Step, pace: Pace) -> list[Figure]:
    """P9. Raises NoLoad."""
    buyers = [_who(token) for token in sign_up(running.url, BUYERS)]
    begin, there = begun(now(), pace.sizes[-1]), 0
    found: dict[str, list[Load]] = {}
    for size in pace.sizes:
        remember(running.engine("orders"), buyers, begin, there, size, step)
        there = size
        for name, paths in _lists(begin, size, running.token(), buyers).items():
            step(f"at {size:,} orders: {name}")
            load(running.url, paths[:WARM], running.folder, seconds=1, connections=1)
            measured = load(running.url, paths, running.folder, seconds=pace.seconds, connections=1, skip=WARM)
            found.setdefault(name, []).append(measured)
    lines = [f"{size * LINES_EACH:,.0f}" for size in pace.sizes]
    return [grown("P9 orders", "lists of orders as their table grows, one client", "lines", lines, found)]


def _who(token: str) -> UUID:
    return UUID(jwt.decode(token, options={"verify_signature": False})["sub"])


def _lists(begin: datetime, size: int, token: str, buyers: list[UUID]) -> dict[str, list[Sent]]:
    """What an administrator asks for; a buyer's own list is the same as that of a buyer."""
    chance = random.Random(size)  # noqa: S311 - the same each time

    def moment() -> datetime:
        return begin + timedelta(seconds=chance.randrange(size) * APART_S)

    def cursor() -> str:
        return encode_cursor([f"{moment().isoformat()}+00:00", str(UUID(int=chance.getrandbits(128)))])

    def asked(query: str) -> Sent:
        return Sent(f"/api/orders/?{query}", token)

    def week() -> str:
        first = moment()
        return f"created_from={first.isoformat()}Z&created_to={(first + timedelta(days=7)).isoformat()}Z"

    many = range(PATHS)
    return {
        "newest": [asked(f"limit=20&cursor=&created_from=2001-01-01T00:00:{n % 60:02d}Z") for n in many],
        "from a cursor": [asked(f"limit=20&cursor={cursor()}") for _ in many],
        "of a rare status, from a cursor": [asked(f"limit=20&status=processing&cursor={cursor()}") for _ in many],
        "of a week, from its end": [asked(f"limit=20&cursor=&{week()}") for _ in many],
        "of a buyer": [asked(f"limit=20&cursor=&user={chance.choice(buyers)}") for _ in many],
        "of a buyer, with its count": [asked(f"page_size=20&page=3&user={chance.choice(buyers)}") for _ in many],
        "of a number": [asked(f"limit=20&cursor=&number=N-{chance.randrange(size)}") for _ in many],
    }
