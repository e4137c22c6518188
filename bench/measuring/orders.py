"""The placing of orders: P2, P3 and P4, and the books, which must balance afterwards.

P2: distinct buyers order one piece of one of a thousand products, against what a client in C does at the database with
one order in each transaction, against the service without its batches, and against a plain one (`measuring.plain`);
and what an order costs each process.
P3: all of them order the same product. P4: one order after the other, and how long after its answer the new sold count
is on the wire.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from measuring import bound
from measuring.books import balanced, ordered_pieces, settle
from measuring.buying import BUYERS, CLIENTS, one_piece_each, product_ids, stock_up
from measuring.costing import costing, figure_of
from measuring.house import Bench
from measuring.loading import Load, load
from measuring.order_figures import ALONE, C_MANY, C_ONE, MANY, ONE, PLAIN, pushed, reached
from measuring.people import sign_up
from measuring.pushing import latencies_ms
from measuring.results import Figure, Step

HOT = 7
BOUND_ORDERS = 4000

Served = Callable[[], AbstractContextManager[str]]


@dataclass(frozen=True)
class Pace:
    """Each side is measured so often, for so long each time; so many orders' ways to the wire are measured."""

    rounds: int = 5
    seconds: int = 6
    pushes: int = 200


@dataclass
class Taken:
    """What was measured of each side and of each bound."""

    ours: dict[str, list[Load]] = field(default_factory=dict)
    bounds: dict[str, list[float]] = field(default_factory=dict)


def placing(running: Bench, step: Step, pace: Pace) -> list[Figure]:
    """P2, P3 and P4. Raises NoLoad, also when the books do not balance."""
    step("stock that cannot sell out")
    stock_up(running)
    bound.prepare(running.engine())
    taken = _measure(running, step, pace)
    step("what an order costs each process")
    costs = _cost(running, pace)
    step("wait until nothing is on its way, and compare the books")
    pieces = balanced(running)
    step(f"{pace.pushes} orders to the wire")
    return [*reached(taken.ours, taken.bounds, pieces), figure_of(costs), pushed(_push(running, pace.pushes))]


def _measure(running: Bench, step: Step, pace: Pace) -> Taken:
    ids = product_ids(running)
    sides, taken = _sides(running, ids), Taken()
    bounds = {C_MANY: f"{ids[0]} + FLOOR(RAND() * {len(ids)})", C_ONE: str(ids[HOT])}
    for number in range(pace.rounds + 1):
        tokens = sign_up(running.url, BUYERS)
        for name, (served, wanted) in sides.items():
            step(f"round {number} of {pace.rounds}: {name}")
            settle(running)
            with served() as url:
                posts = one_piece_each(tokens, wanted)
                found = load(url, posts, running.folder, seconds=pace.seconds, connections=CLIENTS)
            if number:  # the first round only warms up
                taken.ours.setdefault(name, []).append(found)
        settle(running)
        for name, product in bounds.items():
            step(f"round {number} of {pace.rounds}: {name}")
            rate = _bound(running, product)
            if number:
                taken.bounds.setdefault(name, []).append(rate)
    return taken


def _cost(running: Bench, pace: Pace) -> dict[str, float]:
    """Of an order of P2, until nothing of it is on its way any more."""
    posts = one_piece_each(sign_up(running.url, BUYERS), product_ids(running))
    settle(running)
    with costing(running, partial(ordered_pieces, running)) as costs:
        load(running.url, posts, running.folder, seconds=pace.seconds, connections=CLIENTS)
        settle(running)
    return costs


def _sides(running: Bench, ids: list[int]) -> dict[str, tuple[Served, list[int]]]:
    """What is compared: who takes the orders, and of which products they are."""

    def itself() -> AbstractContextManager[str]:
        return nullcontext(running.url)

    return {
        MANY: (itself, ids),
        ONE: (itself, [ids[HOT]]),
        ALONE: (partial(running.instead, "orders", "orders.main:build", STOA_BATCH="1"), ids),
        PLAIN: (partial(running.instead, "orders", "measuring.plain:build"), ids),
    }


def _bound(running: Bench, product: str) -> float:
    mysql, folder = running.stack.mysql, running.folder
    return bound.orders_per_second(mysql, folder, products=product, clients=CLIENTS, orders=BOUND_ORDERS)


def _push(running: Bench, number: int) -> list[float]:
    (token,) = sign_up(running.url, 1)
    return asyncio.run(latencies_ms(running.url, token, product_ids(running)[:number]))
