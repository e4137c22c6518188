"""Real processes of orders, which may be killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from common.clock import now
from common.idempotency import idempotency_keys
from common.testing.waiting import eventually
from orders.models import Order, Placement
from orders.settings import OrdersSettings
from stoa.servers import free_port_block


@dataclass(frozen=True)
class Running:
    """A process, and a client that speaks to it."""

    process: subprocess.Popen[bytes]
    http: httpx2.Client
    log: Path

    def end(self) -> int:
        """Kill it if it is still there; the status that it ended with."""
        self.process.kill()
        return self.process.wait()


@cache
def _port() -> int:
    """One port does, as one process runs at a time."""
    return free_port_block(1)


@contextmanager
def running(settings: OrdersSettings, folder: Path, fault: str = "") -> Iterator[Running]:
    """Orders as a process, ready to be asked; it dies at the point `fault`, and at the end in any case."""
    environment = {f"STOA_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    folder.mkdir(exist_ok=True)
    port, log = _port(), folder / "log"
    command = [sys.executable, "-m", "uvicorn", "--factory", "orders.main:build", "--port", str(port)]
    with log.open("wb") as out, httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
        process = subprocess.Popen(
            command, env=os.environ | environment | {"STOA_FAULT": fault}, stdout=out, stderr=out
        )
        started = Running(process, http, log)
        try:
            eventually(lambda: _up(http))
            yield started
        finally:
            started.end()


def _up(http: Any) -> bool:
    try:
        return bool(http.get("/healthz").status_code == 200)
    except httpx2.TransportError:
        return False


def overdue(engine: Engine) -> None:
    """The deadline of every intent has passed."""
    with Session(engine) as session:
        pending = update(Order).where(Order.placement == Placement.PENDING)
        session.execute(pending.values(deadline=now() - timedelta(seconds=1)))
        session.commit()


def lease_over(engine: Engine) -> None:
    """Nobody works on any key any more."""
    with Session(engine) as session:
        session.execute(update(idempotency_keys).values(lease_until=now() - timedelta(seconds=1)))
        session.commit()


def placements(engine: Engine, user: UUID) -> list[str]:
    """What has become of everything that the user has wanted."""
    with Session(engine) as session:
        return list(session.scalars(select(Order.placement).where(Order.user_id == user)))


def ids(engine: Engine, user: UUID) -> list[UUID]:
    """The same by id."""
    with Session(engine) as session:
        return list(session.scalars(select(Order.id).where(Order.user_id == user)))
