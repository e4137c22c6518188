"""Measures reads of the catalogue: `make bench-reads`. A stack of its own; nothing of yours is touched.

P1: lists and product pages against an application that says hello behind the same gateway, in turn, medians.
P9: what a list costs at 10 thousand, 100 thousand and a million products, kept and made anew.
"""

import random
import statistics
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from common.pagination import encode_cursor
from measuring.filling import fill
from measuring.house import Bench, bench, console
from measuring.loading import Load, NoLoad, load

CONNECTIONS = 64
PRODUCTS = 10_000
HELLO = "hello"
READS = {
    HELLO: ["/api/products/"],
    "product list": ["/api/products/?page_size=20"],
    "200 lists": [f"/api/products/?page={n}&page_size=20" for n in range(1, 201)],
    "product pages": [f"/api/products/{n}/" for n in range(2, 1002) if n % 50 != 1],
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def reads(
    rounds: Annotated[int, typer.Option(min=1, help="Each is measured so often, in turn")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="Each time for so long")] = 4,
    sizes: Annotated[str, typer.Option(help="Numbers of products, growing")] = "10000,100000,1000000",
) -> None:
    """Measure and print."""
    try:
        with bench() as running:
            fill(running.engine(), PRODUCTS)
            _against_hello(running, rounds, seconds)
            _as_it_grows(running, [int(size) for size in sizes.split(",")], seconds)
    except NoLoad as failure:
        sys.exit(str(failure))


def _against_hello(running: Bench, rounds: int, seconds: int) -> None:
    taken: dict[str, list[Load]] = {name: [] for name in READS}
    with running.instead("catalog", "measuring.hello:build") as bare:
        for number in range(rounds + 1):
            for name, paths in READS.items():
                url = bare if name == HELLO else running.url
                measured = load(url, paths, running.folder, seconds=seconds, connections=CONNECTIONS)
                if number:  # the first round only warms up
                    taken[name].append(measured)
    table = Table("64 connections", "requests/s", "of hello", "p50 ms", "p99 ms", "failed", title="P1: reads")
    bound = _median(taken[HELLO], "rate")
    for name, loads in taken.items():
        rate = _median(loads, "rate")
        middle, high = _median(loads, "p50_ms"), _median(loads, "p99_ms")
        failed = sum(each.failed for each in loads)
        table.add_row(name, f"{rate:,.0f}", f"{rate / bound:.2f}", f"{middle:.1f}", f"{high:.1f}", str(failed))
    console.print(table)


def _median(loads: Sequence[Load], what: str) -> float:
    return float(statistics.median(getattr(each, what) for each in loads))


def _as_it_grows(running: Bench, sizes: Sequence[int], seconds: int) -> None:
    """One client, so that what is measured is how long a request takes."""
    found: dict[str, list[Load]] = {}
    for size in sizes:
        fill(running.engine(), size)
        for name, paths in _lists(size).items():
            load(running.url, paths[:50], running.folder, seconds=1, connections=1)
            measured = load(running.url, paths, running.folder, seconds=seconds, connections=1, skip=50)
            found.setdefault(name, []).append(measured)
    table = Table(
        "p50 ms, one client", *(f"{size:,}" for size in sizes), "last/first", "failed", title="P9: as it grows"
    )
    for name, loads in found.items():
        middles = [each.p50_ms for each in loads]
        failed = sum(each.failed for each in loads)
        table.add_row(name, *(f"{each:.2f}" for each in middles), f"{middles[-1] / middles[0]:.2f}", str(failed))
    console.print(table)


def _lists(size: int) -> dict[str, list[str]]:
    """Each list has a path that is asked once only, so it is made anew, but for the first kind."""
    chance = random.Random(size)  # noqa: S311 - the same each time

    def path(ordering: str, key: object, filters: str = "") -> str:
        cursor = encode_cursor([key, chance.randrange(size)])
        return f"/api/products/?ordering={ordering}&limit=20&cursor={cursor}{filters}"

    many = range(8000)
    cents = [f"{chance.randint(100, 99_999) / 100:.2f}" for _ in many]
    words = ["".join(map(chance.choice, ("bcdfglmnprst", "aeiou", "bcdfgl"))) for _ in many]
    pages = [(page, length) for length in range(20, 40) for page in range(1, min(400, size * 9 // 10 // length))]
    chance.shuffle(pages)
    return {
        "kept: first page": ["/api/products/?page_size=20"],
        "product page": [f"/api/products/{chance.randrange(2, size) // 50 * 50 + 2}/" for _ in many],
        "made: a page by number": [f"/api/products/?page={page}&page_size={length}" for page, length in pages],
        "made: by price, from a cursor": [path("price", cents[n]) for n in many],
        "made: best sellers, from a cursor": [path("-sold_count", chance.randint(0, 3000)) for n in many],
        "made: by name in a category": [
            path("name", words[n], f"&category=category-{chance.randrange(100)}") for n in many
        ],
        "made: in stock, dearest first": [path("-price", cents[n], "&in_stock=true") for n in many],
        "made: search of a rare word, by cursor": [
            f"/api/products/?search={words[n]}{chance.choice('aeiou')}l&limit=20&cursor=" for n in many
        ],
    }


if __name__ == "__main__":
    app()
