"""What goes wrong beside the requests is counted for Prometheus, and how late events are is measured."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from common import outbox, running
from common.clock import now
from common.consumer import Consumer
from common.database import Sessions
from common.errors import Unavailable
from common.events.auth import UserRegistered
from common.http import AsyncSister, Sister
from common.relay import Relay
from common.running import Background, Steady
from common.service_tokens import Badge
from common.testing.broker import Broker
from common.testing.waiting import eventually

NOWHERE = "http://127.0.0.1:1"


def told(name: str, **labels: str) -> float:
    """A sample as it stands; it must be there before anything has happened, or its first step would be no increase."""
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None, name
    return value


@pytest.mark.unit
def test_each_call_that_a_sister_fails_is_counted() -> None:
    sister = Sister("shelf", NOWHERE, Badge("toys"), timeout_s=0.1, attempts=2)
    before = told("stoa_sister_failures_total", sister="shelf")
    with pytest.raises(Unavailable):
        sister.get("/")
    sister.close()
    assert told("stoa_sister_failures_total", sister="shelf") == before + 2

    async def ask() -> None:
        window = AsyncSister("window", NOWHERE, Badge("toys"), timeout_s=0.1)
        assert told("stoa_sister_failures_total", sister="window") == 0
        with pytest.raises(Unavailable):
            await window.get("/")
        await window.close()

    asyncio.run(ask())
    assert told("stoa_sister_failures_total", sister="window") == 1


@pytest.mark.unit
def test_each_break_of_background_work_is_counted(
    keep: Callable[[Background], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(running, "LONGEST_PAUSE_S", 0.01)
    runs: list[float] = []

    async def work() -> None:
        runs.append(told("stoa_background_breaks_total", work="brittle"))
        raise OSError("broken")

    keep(Steady("brittle", work))
    eventually(lambda: len(runs) > 2)
    assert runs[:3] == [0, 1, 2]


def test_how_late_an_event_is_counts_from_when_it_was_said(
    broker: Broker,
    engine: Engine,
    sessions: Sessions,
    keep: Callable[[Background], Any],
    registered: Callable[..., UserRegistered],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep(Consumer("toys", broker.url, sessions, lambda *_: None))
    before = told("stoa_event_lag_seconds_count", service="toys"), told("stoa_event_lag_seconds_sum", service="toys")
    monkeypatch.setattr(outbox, "now", lambda: now() - timedelta(hours=1))
    with sessions.begin() as session:
        outbox.say(session, registered())
    keep(Relay("toys", broker.url, engine, sessions))
    eventually(lambda: told("stoa_event_lag_seconds_count", service="toys") == before[0] + 1)
    assert 3600 <= told("stoa_event_lag_seconds_sum", service="toys") - before[1] < 3700
