"""The real worker, killed in the midst of a file."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from catalog.settings import CatalogSettings
from common.testing.waiting import eventually

WORKER = "-m celery -A catalog.tasks:celery worker --pool prefork --concurrency 1 --without-gossip --without-mingle"
ROWS = 8_000


@contextmanager
def working(log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker process with its child, both gone at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *WORKER.split()], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_file_survives_the_death_of_its_worker(shop: Any, settings: CatalogSettings, tmp_path: Path) -> None:
    sku = shop.sku()
    import_id = shop.upload("sku,name,price,stock\n" + "".join(f"{sku}-{n},Lamp,1.50,{n % 9}\n" for n in range(ROWS)))

    with working(tmp_path / "first.log"):
        eventually(lambda: shop.report(import_id)["processed"] > 0, seconds=60)
    half_way = shop.report(import_id)
    with working(tmp_path / "second.log"):
        eventually(lambda: shop.report(import_id)["status"] == "finished", seconds=60)

    report = shop.report(import_id)
    assert (half_way["status"], half_way["processed"] < ROWS) == ("running", True)
    assert (report["processed"], report["created"], report["failed"]) == (ROWS, ROWS, 0)
    assert shop.see_sku(f"{sku}-{ROWS - 1}")["stock"] == (ROWS - 1) % 9
    assert UUID(report["task_id"]) == import_id
