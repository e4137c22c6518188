"""P2, P3 and P4 as tables: what placing reaches of its bounds, and how long an order is on its way to the wire."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from measuring.loading import Load
from measuring.results import Bars, Figure, Verdict, at_least, at_most, median_of, share_of

MANY, ONE = "Stoa, 1,000 products", "Stoa, one product"
ALONE = "Stoa, each order a batch of its own (`STOA_BATCH=1`)"
PLAIN = "plain: objects of the ORM, a transaction and a call each (`bench/measuring/plain.py`)"
C_MANY, C_ONE = "C client, 1,000 products", "C client, one product"
OF_THE_BOUND, OF_PLAIN, OF_MANY = 0.5, 10, 0.9
P50_MS, P99_MS = 25, 100
PARTS = (50, 75, 90, 95, 99)


def reached(ours: Mapping[str, Sequence[Load]], bounds: Mapping[str, Sequence[float]], pieces: int) -> list[Figure]:
    """P2 and P3; `pieces` were ordered in all, and the books balance."""
    rates = {name: median_of(loads, "rate") for name, loads in ours.items()}
    limits = {name: statistics.median(each) for name, each in bounds.items()}
    rows = {name: _ways(loads) for name, loads in ours.items()} | dict.fromkeys(limits, ("", "", ""))
    return [_placing(rates, limits, rows), _hot(rates | limits, rows, pieces)]


def _placing(rates: Mapping[str, float], limits: Mapping[str, float], rows: Mapping[str, tuple[str, ...]]) -> Figure:
    all_rates = {C_MANY: limits[C_MANY]} | {name: rates[name] for name in (MANY, ALONE, PLAIN)}
    shares = {name: share_of(rate, limits[C_MANY]) for name, rate in all_rates.items()}
    return Figure(
        "P2",
        "placing orders, 32 clients, distinct buyers, one line each",
        ("orders", "orders/s", "of the C client", "p50 ms", "p99 ms", "failed"),
        tuple((name, f"{all_rates[name]:,.0f}", f"{share:.2f}", *rows[name]) for name, share in shares.items()),
        Bars(
            "orders a second, of the C client",
            tuple(name.partition(" (`")[0] for name in shares),
            {"of the C client": tuple(shares.values())},
            OF_THE_BOUND,
            f"≥ {OF_THE_BOUND}",
        ),
        (
            at_least("of the C client", shares[MANY], OF_THE_BOUND),
            at_least("times the plain one", share_of(rates[MANY], rates[PLAIN]), OF_PLAIN),
        ),
    )


def _hot(rates: Mapping[str, float], rows: Mapping[str, tuple[str, ...]], pieces: int) -> Figure:
    shares = {name: share_of(rates[name], rates[MANY]) for name in (MANY, ONE, C_MANY, C_ONE)}
    return Figure(
        "P3",
        "all orders of one product, against orders of 1,000",
        ("orders", "orders/s", "of P2", "p50 ms", "p99 ms", "failed"),
        tuple((name, f"{rates[name]:,.0f}", f"{share:.2f}", *rows[name]) for name, share in shares.items()),
        Bars("orders a second, of P2", (MANY, ONE), {"of P2": (1.0, shares[ONE])}, OF_MANY, f"≥ {OF_MANY}"),
        (
            at_least("of P2", shares[ONE], OF_MANY),
            Verdict("products that sold another number than was ordered", f"0 of {pieces:,} pieces", "0", True),
        ),
    )


def _ways(loads: Sequence[Load]) -> tuple[str, str, str]:
    failed = sum(each.failed for each in loads)
    return f"{median_of(loads, 'p50_ms'):.0f}", f"{median_of(loads, 'p99_ms'):.0f}", f"{failed:,}"


def pushed(taken_ms: Sequence[float]) -> Figure:
    """P4, from each order's way in milliseconds."""
    places = {f"p{part}": value for part, value in _places(taken_ms)}
    return Figure(
        "P4",
        f"from an order's 201 to its push on the socket, {len(taken_ms)} orders one after the other",
        ("", *places),
        (("ms", *(f"{value:.0f}" for value in places.values())),),
        Bars(
            "ms from the 201 to the push", tuple(places), {"ms": tuple(places.values())}, P99_MS, f"p99 ≤ {P99_MS} ms"
        ),
        (at_most("p50", places["p50"], P50_MS, " ms"), at_most("p99", places["p99"], P99_MS, " ms")),
    )


def _places(taken: Sequence[float]) -> Iterator[tuple[int, float]]:
    cuts = statistics.quantiles(taken, n=100)
    for part in PARTS:
        yield part, cuts[part - 1]
