"""What an order costs with so many processes of each service: processor time, bytes, and what comes of it a second."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from measuring.books import ordered_pieces, settle
from measuring.buying import BUYERS, CLIENTS, one_piece_each, product_ids, stock_up
from measuring.costing import costing
from measuring.house import Bench
from measuring.loading import load
from measuring.people import sign_up
from measuring.results import Bars, Figure, Step, share_of
from measuring.storing import table_bytes, tables_of
from stoa.servers import SCHEMAS

READERS = 64
LIST = "/api/products/"


@dataclass(frozen=True)
class Costs:
    """Of one number of processes: orders and lists a second, ms of processor and bytes an order."""

    orders: float
    lists: float
    cpu_ms: Mapping[str, float]
    size: Mapping[str, float]


def cost_of_orders(running: Bench, step: Step, seconds: int) -> Costs:
    """Measure with the processes that there are. Raises NoLoad."""
    step("stock that cannot sell out")
    stock_up(running)
    posts = one_piece_each(sign_up(running.url, BUYERS), product_ids(running))
    warm = partial(load, running.url, posts, running.folder, connections=CLIENTS)
    warm(seconds=3)
    settle(running)
    names, engine = tables_of(running.engine(), SCHEMAS), running.engine()
    before, placed = table_bytes(engine, names), ordered_pieces(running)
    step("orders, until all that follows from them is done")
    with costing(running, partial(ordered_pieces, running)) as cpu_ms:
        taken = warm(seconds=seconds)
        settle(running)
    after, orders = table_bytes(engine, names), ordered_pieces(running) - placed
    step("lists")
    lists = load(running.url, [LIST], running.folder, seconds=seconds, connections=READERS)
    grown = {name: share_of(size - before[name], orders) for name, size in after.items() if size > before[name]}
    return Costs(taken.rate, lists.rate, cpu_ms, grown)


def figures_of(found: Mapping[int, Costs]) -> list[Figure]:
    """A figure of rates by the number of processes, and one of what an order costs with the fewest."""
    numbers = tuple(f"{number} of each" for number in found)
    rates = {name: tuple(getattr(each, name) for each in found.values()) for name in ("orders", "lists")}
    shares = {name: tuple(rate / each[0] for rate in each) for name, each in rates.items()}
    rows = tuple(
        (number, f"{each.orders:,.0f}", f"{each.lists:,.0f}", f"{sum(each.cpu_ms.values()):.2f}")
        for number, each in zip(numbers, found.values(), strict=True)
    )
    columns = ("processes", "orders/s", "lists/s", "ms of processor an order")
    bars = Bars("times of one of each", numbers, shares)
    size = next(iter(found.values())).size
    return [
        Figure("replicas", "more processes of each service on the same cores", columns, rows, bars),
        Figure("bytes", "what an order leaves in the tables", ("table", "bytes"), _rows(size), Bars("bytes", (), {})),
    ]


def _rows(size: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    ordered = sorted(size.items(), key=lambda each: -each[1])
    return (*((name, f"{each:,.0f}") for name, each in ordered), ("**all**", f"**{sum(size.values()):,.0f}**"))
