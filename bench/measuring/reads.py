"""Reads of the catalogue: P1, lists and product pages against a bare hello behind the same gateway, in turn; and P9,
what a list costs as the catalogue grows, kept and made anew."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.pagination import encode_cursor
from measuring.filling import fill
from measuring.growing import grown
from measuring.house import Bench
from measuring.loading import Load, load
from measuring.results import Bars, Figure, Step, at_least, median_of, share_of

CONNECTIONS = 64
PRODUCTS = 10_000
SMALLEST = 10_000
GOAL = 0.5
HELLO = "hello"
READS = {
    HELLO: ["/api/products/"],
    "product list": ["/api/products/?page_size=20"],
    "200 lists in turn": [f"/api/products/?page={n}&page_size=20" for n in range(1, 201)],
    "product pages, read from the database each time": [f"/api/products/{n}/" for n in range(2, 1002) if n % 50 != 1],
}


@dataclass(frozen=True)
class Pace:
    """Each read is measured so often, for so long each time; and lists at each of these numbers of products."""

    rounds: int = 5
    seconds: int = 4
    sizes: tuple[int, ...] = (SMALLEST, 100_000, 1_000_000)


def against_hello(running: Bench, step: Step, pace: Pace) -> list[Figure]:
    """P1. Raises NoLoad."""
    fill(running.engine(), PRODUCTS, step)
    taken: dict[str, list[Load]] = {name: [] for name in READS}
    with running.instead("catalog", "measuring.hello:build") as bare:
        for number in range(pace.rounds + 1):
            for name, paths in READS.items():
                step(f"round {number} of {pace.rounds}: {name}")
                url = bare if name == HELLO else running.url
                found = load(url, paths, running.folder, seconds=pace.seconds, connections=CONNECTIONS)
                if number:  # the first round only warms up
                    taken[name].append(found)
    return [figure_of(taken)]


def figure_of(taken: Mapping[str, Sequence[Load]]) -> Figure:
    """P1 from all that was measured."""
    rates = {name: median_of(loads, "rate") for name, loads in taken.items()}
    shares = {name: share_of(rate, rates[HELLO]) for name, rate in rates.items()}
    return Figure(
        "P1",
        "product lists and product pages, 64 connections",
        ("read", "requests/s", "of hello", "p50 ms", "p99 ms", "failed"),
        tuple((name, f"{rates[name]:,.0f}", f"{shares[name]:.2f}", *_ways(loads)) for name, loads in taken.items()),
        Bars("requests a second, of hello", tuple(shares), {"of hello": tuple(shares.values())}, GOAL, f"≥ {GOAL}"),
        tuple(at_least(f"{name}, of hello", share, GOAL) for name, share in shares.items() if name != HELLO),
    )


def _ways(loads: Sequence[Load]) -> tuple[str, str, str]:
    failed = sum(each.failed for each in loads)
    return f"{median_of(loads, 'p50_ms'):.1f}", f"{median_of(loads, 'p99_ms'):.1f}", f"{failed:,}"


def as_it_grows(running: Bench, step: Step, pace: Pace) -> list[Figure]:
    """P9. One client, so that what is measured is how long a request takes. Raises NoLoad."""
    found: dict[str, list[Load]] = {}
    for size in pace.sizes:
        fill(running.engine(), size, step)
        for name, paths in _lists(size).items():
            step(f"at {size:,} products: {name}")
            load(running.url, paths[:50], running.folder, seconds=1, connections=1)
            measured = load(running.url, paths, running.folder, seconds=pace.seconds, connections=1, skip=50)
            found.setdefault(name, []).append(measured)
    sizes = [f"{size:,}" for size in pace.sizes]
    return [grown("P9 products", "lists and pages as the catalogue grows, one client", "products", sizes, found)]


def _lists(size: int) -> dict[str, list[str]]:
    """Each list has a path that is asked once only, so it is made anew, but for the first kind."""
    chance = random.Random(size)  # noqa: S311 - the same each time

    def path(ordering: str, key: object, filters: str = "") -> str:
        cursor = encode_cursor([key, chance.randrange(size)])
        return f"/api/products/?ordering={ordering}&limit=20&cursor={cursor}{filters}"

    many = range(8000)
    cents = [f"{chance.randint(100, 99_999) / 100:.2f}" for _ in many]
    words = ["".join(map(chance.choice, ("bcdfglmnprst", "aeiou", "bcdfgl", "aeiou", "l"))) for _ in many]
    letters = 2 + len(f"{size // SMALLEST}")  # of a beginning that 28, 56 and 32 products have on average
    pages = [(page, length) for length in range(20, 40) for page in range(1, min(400, size * 9 // 10 // length))]
    chance.shuffle(pages)
    return {
        "kept: first page": ["/api/products/?page_size=20"],
        "product page": [f"/api/products/{chance.randrange(2, size) // 50 * 50 + 2}/" for _ in many],
        "made: a page by number": [f"/api/products/?page={page}&page_size={length}" for page, length in pages],
        "made: by price, from a cursor": [path("price", cents[n]) for n in many],
        "made: best sellers, from a cursor": [path("-sold_count", chance.randint(0, 3000)) for n in many],
        "made: by name in a category": [
            path("name", words[n][:3], f"&category=category-{chance.randrange(100)}") for n in many
        ],
        "made: in stock, dearest first": [path("-price", cents[n], "&in_stock=true") for n in many],
        "made: search of a rare word, full page": [
            f"/api/products/?search={words[n][:letters]}&limit=20&price_max={1000 + n / 100:.2f}&cursor=" for n in many
        ],
    }
