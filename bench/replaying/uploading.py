"""The upload's room: the plan's products as a CSV file through the bulk upload."""

import asyncio
import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import httpx2

from replaying.accounts import Account
from replaying.gateway import expect
from replaying.plan import Product
from replaying.stop import Stop

POLL_S = 0.3
STALLED_S = 120.0
"""An upload that has not moved for so long is given up."""


@dataclass(frozen=True)
class Upload:
    """How an upload ended."""

    total: int
    created: int
    updated: int
    unchanged: int
    failed: int
    rows_per_s: float


def as_csv(products: Iterable[Product], share: float) -> str:
    """The file that is sent: one row for each product, with this share of what is ordered as stock."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(["sku", "name", "price", "stock"])
    writer.writerows([one.sku, one.name, f"{one.price:.2f}", one.stock(share)] for one in products)
    return text.getvalue()


async def upload(admin: Account, text: str, key: str, show: Callable[[int, int], None]) -> Upload:
    """Send the file and wait for its end; `show` is told (processed, total). Raises Stop."""
    file = {"file": ("products.csv", text.encode(), "text/csv")}
    answer = await admin.send("POST", "/api/products/bulk-upload/", key=key, files=file)
    task = expect(answer, httpx2.codes.ACCEPTED)["task_id"]
    told = await _follow(admin, f"/api/products/bulk-upload/{task}/", show)
    figures = {name: told[name] for name in ("total", "created", "updated", "unchanged", "failed")}
    return Upload(**figures, rows_per_s=float(told["rows_per_second"] or 0))


async def _follow(admin: Account, path: str, show: Callable[[int, int], None]) -> dict[str, Any]:
    moved, patience = -1, 0.0
    while patience < STALLED_S:
        told: dict[str, Any] = expect(await admin.send("GET", path), httpx2.codes.OK)
        show(told["processed"] or 0, told["total"] or 0)
        if told["status"] == "failed":
            raise Stop(f"The bulk upload failed: {told.get('reason') or 'it does not say why'}")
        if told["finished_at"]:
            return told
        patience = 0.0 if told["processed"] != moved else patience + POLL_S
        moved = told["processed"]
        await asyncio.sleep(POLL_S)
    raise Stop(f"The bulk upload has not moved for {STALLED_S:.0f} s; is catalog's worker alive?")
