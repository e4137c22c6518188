"""Measures the bulk upload: `make bench-upload`. A stack of its own; nothing of yours is touched.

P6: a file of 100,000 products sent through the gateway, checked, written and told of, against LOAD DATA of as many rows
into the same table, which checks nothing and tells nobody; in turn, medians. And what memory it took.
"""

import csv
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table
from sqlalchemy import Engine, func, select, text

from catalog.words import searched
from common.outbox import outbox
from measuring.filling import made_up
from measuring.house import Bench, bench, console

PROCESSES = ("catalog", "catalog-worker")
COLUMNS = ("sku", "name", "description", "price", "stock", "status")
LOADED = ("sku", "name", "description", "price", "status", "words", "on_hand")
LOAD_DATA = f"""
LOAD DATA LOCAL INFILE :file INTO TABLE products CHARACTER SET utf8mb4
FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\\n' ({", ".join(LOADED)})
SET reserved = 0, sold = 0, version = 1, created_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6)
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def upload(
    rows: Annotated[int, typer.Option(min=1000, max=200_000, help="Products in each file")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Each way so often, in turn")] = 3,
) -> None:
    """Measure and print."""
    with bench() as running:
        engine = running.engine()
        taken: dict[str, list[float]] = {"upload": [], "the same again": [], "LOAD DATA": [], "told": []}
        before = {name: _memory(running.pid(name)) for name in PROCESSES}
        for number in range(rounds):
            ours, bare = (running.folder / f"{kind}-{number}.csv" for kind in ("ours", "bare"))
            _write_ours(ours, _products(2 * number, rows))
            _write_bare(bare, _products(2 * number + 1, rows))
            token = running.token()
            taken["upload"].append(_seconds(lambda: _send(running, ours, token)))  # noqa: B023 - called at once
            taken["told"].append(_seconds(lambda: _drain(engine)))
            taken["the same again"].append(_seconds(lambda: _send(running, ours, token)))  # noqa: B023
            taken["LOAD DATA"].append(_seconds(lambda: _load(engine, bare)))  # noqa: B023
        after = {name: _memory(_child(running.pid(name))) for name in PROCESSES}
    _show(rows, taken, before, after)


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


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _send(running: Bench, path: Path, token: str) -> None:
    """Send the file and wait until the last row is written."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=120, trust_env=False) as http:
        answer = http.post("/api/products/bulk-upload/", content=path.read_bytes()).raise_for_status()
        while (report := http.get(answer.json()["status_url"]).raise_for_status().json())["status"] != "finished":
            if report["status"] == "failed":
                raise SystemExit(f"The upload failed: {report['reason']}.")
            time.sleep(0.1)
    if report["failed"]:
        raise SystemExit(f"{report['failed']} rows were not taken.")


def _drain(engine: Engine) -> None:
    """Wait until the broker has every event."""
    unsent = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
    while True:
        with engine.connect() as connection:
            if connection.scalar(unsent) == 0:
                return
        time.sleep(0.1)


def _load(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET GLOBAL local_infile = 1"))
        connection.execute(text(LOAD_DATA), {"file": str(path)})


def _child(pid: int) -> int:
    """The process that works: a worker's own child, if it has one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def _memory(pid: int) -> dict[str, float]:
    """Megabytes now and at most so far."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}


def _show(rows: int, taken: dict[str, list[float]], before: dict[str, Any], after: dict[str, Any]) -> None:
    bound = statistics.median(taken["LOAD DATA"])
    table = Table(f"{rows:,} products", "seconds", "rows/s", "of LOAD DATA", title="P6: bulk upload")
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        share = f"{bound / middle:.2f}" if name != "told" else ""
        each = ", ".join(f"{one:.1f}" for one in seconds)
        table.add_row(
            name if name != "told" else "… until the last event is told", each, f"{rows / middle:,.0f}", share
        )
    console.print(table)
    for name in PROCESSES:
        console.print(f"{name}: {before[name]['VmRSS']:.0f} MB before, {after[name]['VmHWM']:.0f} MB at most")


if __name__ == "__main__":
    app()
