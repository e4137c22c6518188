"""Measures lists of orders as their table grows: `make bench-lists`. A stack of its own; nothing of yours is touched.

P9: one client, so that what is measured is how long a request takes, over tables of 25 thousand, one and ten million
lines. Each path is asked once only.
"""

import random
import sys
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import jwt
import typer
from rich.table import Table

from common.clock import now
from common.pagination import encode_cursor
from measuring.history import APART_S, LINES_EACH, begun, remember
from measuring.house import Bench, bench, console
from measuring.loading import Load, NoLoad, Sent, load
from measuring.people import sign_up

SIZES = [10_000, 400_000, 4_000_000]
BUYERS = 20
PATHS = 4000
WARM = 50

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def lists(
    sizes: Annotated[list[int] | None, typer.Argument(help="Orders in the table, growing")] = None,
    seconds: Annotated[int, typer.Option(min=1, help="Each list is asked for so long")] = 4,
) -> None:
    """Measure and print."""
    wanted = sorted(sizes or SIZES)
    try:
        with bench() as running:
            _measure(running, wanted, seconds)
    except NoLoad as failure:
        sys.exit(str(failure))


def _measure(running: Bench, sizes: list[int], seconds: int) -> None:
    buyers = [_who(token) for token in sign_up(running.url, BUYERS)]
    begin, there = begun(now(), sizes[-1]), 0
    found: dict[str, list[Load]] = {}
    for size in sizes:
        remember(running.engine("orders"), buyers, begin, there, size)
        there = size
        for name, paths in _lists(begin, size, running.token(), buyers).items():
            load(running.url, paths[:WARM], running.folder, seconds=1, connections=1)
            measured = load(running.url, paths, running.folder, seconds=seconds, connections=1, skip=WARM)
            found.setdefault(name, []).append(measured)
    _show(sizes, found)


def _show(sizes: list[int], found: dict[str, list[Load]]) -> None:
    columns = (f"{size * LINES_EACH:,.0f} lines" for size in sizes)
    table = Table("p50 ms, one client", *columns, "last/first", "failed", title="P9: lists of orders as they grow")
    for name, loads in found.items():
        middles = [each.p50_ms for each in loads]
        failed = sum(each.failed for each in loads)
        table.add_row(name, *(f"{each:.1f}" for each in middles), f"{middles[-1] / middles[0]:.2f}", str(failed))
    console.print(table)


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


if __name__ == "__main__":
    app()
