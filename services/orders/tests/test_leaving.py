"""A process that is told to end while another can take its place: nobody who asks it meanwhile is turned away."""

import signal
from pathlib import Path

from common.testing.waiting import eventually
from orders.settings import OrdersSettings

from .processes import Running, running

DRAIN_S = 2.0


def readiness(orders: Running) -> int:
    return int(orders.http.get("/readyz").status_code)


def test_it_says_so_and_answers_until_others_have_noticed(settings: OrdersSettings, tmp_path: Path) -> None:
    with running(settings.model_copy(update={"drain_s": DRAIN_S}), tmp_path) as orders:
        before = orders.http.get("/api/orders/")
        orders.process.send_signal(signal.SIGTERM)
        eventually(lambda: readiness(orders) == 503)
        answer = orders.http.get("/api/orders/")
        assert orders.process.wait(20) in (0, -signal.SIGTERM)
    assert (before.status_code, "connection" in before.headers) == (401, False)
    assert (answer.status_code, answer.headers["connection"]) == (401, "close")


def test_who_is_told_twice_ends_at_once(settings: OrdersSettings, tmp_path: Path) -> None:
    with running(settings.model_copy(update={"drain_s": 3600}), tmp_path) as orders:
        orders.process.send_signal(signal.SIGTERM)
        eventually(lambda: readiness(orders) == 503)
        orders.process.send_signal(signal.SIGTERM)
        assert orders.process.wait(20) in (0, -signal.SIGTERM)
