"""The bulk upload: P6, a file of products sent through the gateway, checked, written and told of, and its memory.

The bound is LOAD DATA of as many rows into the same table, which checks nothing and tells nobody; in turn, medians.
"""

import csv
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, func, select, text

from catalog.words import searched
from common.outbox import outbox
from measuring.filling import made_up
from measuring.house import Bench
from measuring.results import Bars, Figure, NoLoad, Step, Verdict, at_least

PROCESSES = ("catalog", "catalog-worker")
COLUMNS = ("sku", "name", "description", "price", "stock", "status")
LOADED = ("sku", "name", "description", "price", "status", "words", "on_hand")
LOAD_DATA = f"""
LOAD DATA LOCAL INFILE :file INTO TABLE products CHARACTER SET utf8mb4
FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\\n' ({", ".join(LOADED)})
SET reserved = 0, sold = 0, version = 1, created_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6)
"""
PATIENCE_S = 600
GOAL = 0.4
FLAT_MB = 50
"""Of a file that is held whole 100,000 rows take 284 MB (design: performance, section 4)."""
BARE, OURS, AGAIN = (
    "LOAD DATA",
    "upload, relay and consumers at work beside it",
    "the same file again, nothing to write",
)
TOLD = "… until the last event is told"


@dataclass(frozen=True)
class Pace:
    """Products in each file, and how often each way is measured."""

    rows: int = 100_000
    rounds: int = 3


def uploading(running: Bench, step: Step, pace: Pace) -> list[Figure]:
    """P6; no catalogue must be there but the demo's. Raises NoLoad."""
    engine = running.engine()
    taken: dict[str, list[float]] = {name: [] for name in (BARE, OURS, TOLD, AGAIN)}
    at_work = {name: _child(running.pid(name)) for name in PROCESSES}
    before = {name: _memory_mb(pid, "VmRSS") for name, pid in at_work.items()}
    for number in range(pace.rounds):
        step(f"round {number + 1} of {pace.rounds}: make the files")
        ours, bare = (running.folder / f"{kind}-{number}.csv" for kind in ("ours", "bare"))
        _write_ours(ours, _products(2 * number, pace.rows))
        _write_bare(bare, _products(2 * number + 1, pace.rows))
        for name, work in _works(running, engine, ours, bare).items():
            step(f"round {number + 1} of {pace.rounds}: {name}")
            taken[name].append(_seconds(work))
    after = {name: _memory_mb(pid, "VmHWM") for name, pid in at_work.items()}
    return [figure_of(pace.rows, taken, before, after)]


def figure_of(
    rows: int, taken: Mapping[str, Sequence[float]], before: Mapping[str, float], after: Mapping[str, float]
) -> Figure:
    """P6 from the seconds that each way took, and megabytes before and at most."""
    middles = {name: statistics.median(seconds) for name, seconds in taken.items()}
    shares = {name: middles[BARE] / middles[name] for name in taken if name != TOLD}
    return Figure(
        "P6",
        f"{rows:,} products uploaded",
        ("", "seconds", "rows/s", "of LOAD DATA"),
        tuple(_row(name, seconds, rows, shares.get(name)) for name, seconds in taken.items()),
        Bars("rows a second, of LOAD DATA", tuple(shares), {"share": tuple(shares.values())}, GOAL, f"≥ {GOAL}"),
        (at_least("of LOAD DATA", shares[OURS], GOAL), *(_flat(name, before[name], after[name]) for name in PROCESSES)),
    )


def _row(name: str, seconds: Sequence[float], rows: int, share: float | None) -> tuple[str, ...]:
    each = ", ".join(f"{one:.1f}" for one in seconds)
    if share is None:
        return name, each, "", ""
    return name, each, f"{rows / statistics.median(seconds):,.0f}", f"{share:.2f}"


def _flat(name: str, before: float, after: float) -> Verdict:
    found = f"{before:.0f} MB before, {after:.0f} MB at most"
    return Verdict(f"memory of {name}", found, f"≤ {FLAT_MB} MB more", after - before <= FLAT_MB)


def _works(running: Bench, engine: Engine, ours: Path, bare: Path) -> dict[str, Callable[[], None]]:
    """In the order in which they must be done."""
    token = running.token()
    return {
        OURS: lambda: _send(running.url, ours, token),
        TOLD: lambda: _drain(engine),
        AGAIN: lambda: _send(running.url, ours, token),
        BARE: lambda: _load(engine, bare),
    }


def _products(number: int, rows: int) -> Iterator[dict[str, Any]]:
    return made_up(number * rows, (number + 1) * rows)


def _write_ours(path: Path, products: Iterator[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(product | {"stock": product["on_hand"]} for product in products)


def _write_bare(path: Path, products: Iterator[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LOADED, extrasaction="ignore", lineterminator="\n")
        writer.writerows(product | {"words": searched(product["name"], product["sku"])} for product in products)


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _send(url: str, path: Path, token: str) -> None:
    """Send the file and wait until the last row is written."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    end = time.monotonic() + PATIENCE_S
    with httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False) as http:
        answer = http.post("/api/products/bulk-upload/", content=path.read_bytes()).raise_for_status()
        while (report := http.get(answer.json()["status_url"]).raise_for_status().json())["status"] != "finished":
            if report["status"] == "failed" or time.monotonic() > end:
                raise NoLoad(f"The upload is {report['status']}: {report['reason'] or f'after {PATIENCE_S} s'}.")
            time.sleep(0.1)
    if report["failed"]:
        raise NoLoad(f"{report['failed']} rows were not taken.")


def _drain(engine: Engine) -> None:
    """Wait until the broker has every event."""
    unsent = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with engine.connect() as connection:
            if connection.scalar(unsent) == 0:
                return
        time.sleep(0.1)
    raise NoLoad(f"After {PATIENCE_S} s not every event has been told.")


def _load(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET GLOBAL local_infile = 1"))
        connection.execute(text(LOAD_DATA), {"file": str(path)})


def _child(pid: int) -> int:
    """The process that works: a worker's own child, if it has one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def _memory_mb(pid: int, what: str) -> float:
    """Megabytes now (VmRSS), or at most so far (VmHWM)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status[what].split()[0]) / 1024
