"""Visits of workers to endpoints: each is made once, however long the queue is and whatever the broker seems to be."""

from datetime import timedelta
from typing import Any

import pytest

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from notifier.hooks.dispatch import SHARE, HookDispatch, plan_visits, put_back
from notifier.hooks.models import DeliveryState, Endpoint

from .hookdesk import change, endpoint_of, go, keep, states, tell
from .integrator import Integrator
from .telling import placed

DELIVERED = DeliveryState.DELIVERED


def test_a_visit_that_waits_long_in_the_queue_is_made_once_and_counts_when_it_begins(
    sessions: Sessions, integrator: Integrator
) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    ((endpoint_id, before),) = plan_visits(sessions)
    for _ in range(3):
        change(sessions, Endpoint, busy_until=now())
        assert plan_visits(sessions) == [(endpoint_id, before)], "nobody has come, so nothing else is wanted"
    go(sessions, endpoint_id, before)
    assert states(sessions) == [DELIVERED]
    tell(sessions, placed(new_id()))
    for _ in range(3):
        go(sessions, endpoint_id, before)
    assert len(integrator.requests) == 1
    assert endpoint_of(sessions, made).visits == before + 1


def test_a_visit_that_was_handed_over_is_not_planned_again_while_the_queue_is_long(
    sessions: Sessions, integrator: Integrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    assert len(plan_visits(sessions)) == 1
    monkeypatch.setattr("notifier.hooks.dispatch.now", lambda: now() + timedelta(minutes=4))
    assert plan_visits(sessions) == []


def test_who_hears_nothing_of_the_broker_leaves_visits_alone_that_have_begun(
    sessions: Sessions, integrator: Integrator
) -> None:
    keep(sessions, integrator.url)
    tell(sessions, placed(new_id()), placed(new_id()))
    seen: list[Any] = []

    def look_again() -> None:
        put_back(sessions, seen[0], 0)
        seen.append(plan_visits(sessions))

    def silent(visits: Any) -> None:
        seen.append(visits)
        integrator.meanwhile = look_again
        go(sessions, *visits[0])
        raise ConnectionError("the broker did not confirm")

    assert HookDispatch(sessions, silent).hand_over() == 0
    assert seen[1:] == [[], []]
    assert states(sessions) == [DELIVERED] * 2


def test_endpoints_that_are_switched_off_while_they_are_visited_count_as_visited(
    sessions: Sessions, integrator: Integrator
) -> None:
    for _ in range(SHARE):
        keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    assert len(plan_visits(sessions)) == SHARE
    change(sessions, Endpoint, active=False)
    keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    assert plan_visits(sessions) == []
    change(sessions, Endpoint, busy_until=now())
    assert len(plan_visits(sessions)) == 1
