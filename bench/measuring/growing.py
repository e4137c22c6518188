"""P9's table: what the same request costs as a table grows, and whether it stays within twice the smallest."""

from collections.abc import Mapping, Sequence

from measuring.loading import Load
from measuring.results import Bars, Figure, at_most, share_of

GOAL = 2.0


def grown(key: str, title: str, of: str, sizes: Sequence[str], found: Mapping[str, Sequence[Load]]) -> Figure:
    """The figure; `found` has for each request what was measured at each of the sizes, `of` says of what they are."""
    times = {name: [share_of(each.p50_ms, loads[0].p50_ms) for each in loads] for name, loads in found.items()}
    grown_to = {f"at {size} {of}": tuple(each[n] for each in times.values()) for n, size in enumerate(sizes) if n}
    worst = max(times, key=lambda name: times[name][-1])
    return Figure(
        key,
        title,
        ("p50 ms", *(f"{size} {of}" for size in sizes), "last/first", "failed"),
        tuple(_row(name, loads, times[name][-1]) for name, loads in found.items()),
        Bars(f"p50 in times of that at {sizes[0]} {of}", tuple(times), grown_to, GOAL, f"≤ {GOAL:g}"),
        (at_most(f"the one that grows most ({worst}), last/first", times[worst][-1], GOAL),),
    )


def _row(name: str, loads: Sequence[Load], times: float) -> tuple[str, ...]:
    failed = sum(each.failed for each in loads)
    return (name, *(f"{each.p50_ms:.2f}" for each in loads), f"{times:.2f}", f"{failed:,}")
