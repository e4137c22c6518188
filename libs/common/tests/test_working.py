"""What becomes of tasks when the worker's connection breaks in the middle of its work: they are done all the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery

from common.celery import enqueue
from common.testing.broker import Broker
from common.testing.proxy import Proxy
from common.testing.waiting import eventually

JOBS = "toys.jobs"
MODULE = """
import time
from common.celery import new_celery

celery = new_celery("toys", "toys_at_work")

@celery.task(name="toys.play")
def play(number):
    time.sleep(0.1)
    with open("done", "a") as file:
        print(number, file=file)
"""
OPTIONS = ("--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle")
"""As the mails' worker is started."""
CUTS = 3
EACH = 40


@pytest.fixture
def work(tmp_path: Path, proxy: Proxy, broker: Broker) -> Iterator[Path]:
    """A worker that hears the broker through the door; the file in which it notes what it has done."""
    (tmp_path / "toys_at_work.py").write_text(MODULE)
    told = {
        "STOA_BROKER_URL": proxy.through(broker.url),
        "STOA_DATABASE_URL": "unused://",
        "STOA_REDIS_URL": "unused://",
    }
    command = [sys.executable, "-m", "celery", "-A", "toys_at_work:celery", "worker", *OPTIONS]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ | told, stdout=subprocess.DEVNULL) as process:
        try:
            yield tmp_path / "done"
        finally:
            process.send_signal(signal.SIGKILL)


def test_a_worker_whose_connection_breaks_again_and_again_does_all_its_tasks(
    work: Path, proxy: Proxy, broker: Broker, new_app: Callable[[str], Celery]
) -> None:
    task = new_app(broker.url).task(name="toys.play", shared=False)(play)
    for begin in range(0, CUTS * EACH, EACH):
        wanted = {str(number) for number in range(begin + EACH)}
        enqueue(task, *([number] for number in range(begin, begin + EACH)))
        eventually(lambda wanted=wanted: broker.size(JOBS) < EACH // 2 and len(done(work)) > len(wanted) - EACH)
        proxy.cut()
        eventually(lambda wanted=wanted: done(work) == wanted, seconds=60)


def play(_: int) -> None:
    """Told of here, done over there."""


def done(work: Path) -> set[str]:
    return set(work.read_text().split()) if work.exists() else set()
