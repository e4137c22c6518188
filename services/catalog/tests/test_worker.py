"""The real worker, killed in the midst of a file."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update

from catalog.models import Product
from catalog.upload_models import CANCELLED, PENDING, RUNNING, Import
from common.database import Sessions
from common.outbox import outbox
from common.testing.broker import Broker
from common.testing.waiting import eventually

WORKER = "-m celery -A catalog.tasks:celery worker --pool prefork --concurrency 1 --without-gossip --without-mingle"
CHUNK = 1000
ROWS = 5 * CHUNK
FIRST, HALF, LAST = 0, 2, 4
"""Chunks in the midst of which the worker dies."""
WRITTEN = ("product.created", "product.updated")


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
                kill_all(process)
            process.wait()


def kill_all(worker: "subprocess.Popen[bytes]") -> None:
    """The main process and its child die at one blow."""
    os.killpg(worker.pid, signal.SIGKILL)


def kill_child(worker: "subprocess.Popen[bytes]") -> None:
    """Only the process that does the work dies."""
    (child,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)


class Traps:
    """Products that somebody holds, by their chunk: a worker that comes to write one waits."""

    def __init__(self, sessions: Sessions, products: dict[int, int], stack: ExitStack) -> None:
        self._sessions = sessions
        self._products = products
        self._held = {chunk: stack.enter_context(ExitStack()) for chunk in products}
        for chunk, product_id in products.items():
            session = self._held[chunk].enter_context(sessions.begin())
            session.scalars(select(Product.id).where(Product.id == product_id).with_for_update()).one()

    def wait(self, chunk: int) -> None:
        """Until a worker is in this one."""
        eventually(lambda: self._waiting(self._products[chunk]), seconds=60)

    def open(self, chunk: int) -> None:
        """Let go of this chunk's product."""
        self._held[chunk].close()

    def _waiting(self, product_id: int) -> int:
        """Connections that wait for this one: whoever comes again may still wait where another has died."""
        asked = text(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            " AND info LIKE 'SELECT%FROM products%FOR UPDATE' AND LOCATE(:asked, info)"
        )
        with self._sessions.begin() as session:
            return int(session.execute(asked, {"asked": f"IN ({product_id})"}).scalar_one())


def dies_in(traps: Traps, shop: Any, import_id: UUID, chunk: int, kill: Callable[[], None]) -> None:
    """The worker dies in the midst of this chunk, with all chunks before it done and none of its own rows."""
    traps.wait(chunk)
    kill()
    report = shop.report(import_id)
    assert (report["status"], report["processed"]) == ("running", chunk * CHUNK)
    traps.open(chunk)


def last_said(sessions: Sessions) -> int:
    """The last number in the outbox."""
    with sessions.begin() as session:
        return session.scalar(select(func.max(outbox.c.seq))) or 0


def said_of_products(sessions: Sessions, after: int, sku: str) -> int:
    """How many events about products with such a SKU came after this number; a hold of another test may expire."""
    said = select(outbox.c.subject).where(outbox.c.seq > after, outbox.c.type.in_(WRITTEN))
    with sessions.begin() as session:
        products = {str(number) for number in session.scalars(select(Product.id).where(of_sku(sku)))}
        return sum(subject in products for subject in session.scalars(said))


def products_of(sessions: Sessions, sku: str) -> int:
    """How many products have a SKU that begins so."""
    with sessions.begin() as session:
        return session.scalar(select(func.count()).where(of_sku(sku))) or 0


def of_sku(sku: str) -> ColumnElement[bool]:
    """The products of one file."""
    return Product.sku.like(f"{sku}-%")


def test_a_file_survives_every_death_of_its_worker(
    shop: Any, sessions: Sessions, broker: Broker, tmp_path: Path
) -> None:
    end_all_others(sessions)
    sku = shop.sku()
    known = {chunk: shop.add(sku=f"{sku}-{chunk * CHUNK + 500}")["id"] for chunk in (FIRST, HALF, LAST)}
    rows = [f"{sku}-{n},Lamp,{'much' if n % 100 == 7 else '1.50'},{n % 9}\n" for n in range(ROWS)]
    before = last_said(sessions)
    tap = shop.tap("import.progress")
    import_id = shop.upload(f"sku,name,price,stock\n{''.join(rows)}")

    with ExitStack() as stack:
        traps = Traps(sessions, known, stack)
        with working(tmp_path / "first.log") as worker:
            dies_in(traps, shop, import_id, FIRST, lambda: kill_child(worker))
            dies_in(traps, shop, import_id, HALF, lambda: kill_all(worker))
        with working(tmp_path / "second.log") as worker:
            dies_in(traps, shop, import_id, LAST, lambda: kill_child(worker))
            eventually(lambda: shop.report(import_id)["status"] == "finished", seconds=60)
            told: list[Any] = []
            eventually(lambda: told.extend(said_of(broker, tap, import_id)) or ended(told))

    report = shop.report(import_id)
    assert (report["processed"], shop.counts(report)) == (ROWS, {"created": ROWS - 53, "updated": 3, "failed": 50})
    assert {row["code"] for row in shop.bad_rows(str(import_id))} == {"invalid"}
    assert (products_of(sessions, sku), said_of_products(sessions, before, sku)) == (ROWS - 50, ROWS - 50)
    assert shop.see_sku(f"{sku}-{ROWS - 1}")["stock"] == (ROWS - 1) % 9
    sequences = [event["sequence"] for event in told]
    assert sequences == sorted(sequences)


def end_all_others(sessions: Sessions) -> None:
    """Nothing is left to do in the imports of other tests, of which the queue may still tell the worker."""
    with sessions.begin() as session:
        session.execute(update(Import).where(Import.status.in_((PENDING, RUNNING))).values(status=CANCELLED))


def said_of(broker: Broker, tap: str, import_id: UUID) -> list[Any]:
    """What the tap has of this import; the worker finds those of other tests in its queue too."""
    return [event for event in broker.take(tap, broker.size(tap)) if event["subject"] == str(import_id)]


def ended(told: list[Any]) -> bool:
    """Whether the end was told, with all rows."""
    return bool(told) and (told[-1]["data"]["status"], told[-1]["data"]["processed"]) == ("finished", ROWS)
