"""From an event to an integrator: one delivery per event and endpoint, whatever is heard again and whatever fails."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.clocks import other_time
from common.testing.waiting import eventually
from notifier.hooks import dispatch, visiting
from notifier.hooks.dispatch import SHARE, HookDispatch, plan_visits
from notifier.hooks.keeping import redeliver, send_test
from notifier.hooks.models import MOST_FAILURES, MOST_TRIES, Delivery, DeliveryState, Endpoint, Reason
from notifier.hooks.queries import list_deliveries
from notifier.hooks.schemas import DeliveriesQuery
from notifier.hooks.telling import queue_deliveries

from .desk import all_mails
from .hookdesk import (
    change,
    change_to,
    deliveries,
    endpoint_of,
    go,
    keep,
    only_delivery,
    states,
    tell,
    wait_in_spirit,
    work,
)
from .integrator import Integrator, says
from .telling import cancelled, imported, moved, placed, ran_low, registered

QUEUED, SENDING, DELIVERED, FAILED = DeliveryState


def test_an_event_heard_three_times_is_delivered_once_to_each_endpoint_that_wants_it(
    client: TestClient, worker: None, broker: Broker, sessions: Sessions, integrator: Integrator
) -> None:
    every, orders, stock = (keep(sessions, integrator.url, one) for one in ("*", "order.*", "product.low_stock"))
    user = new_id()
    broker.tell(registered(user), times=2)
    order = broker.tell(placed(user), times=3)
    low = broker.tell(ran_low(), times=3)
    eventually(lambda: states(sessions) == [DELIVERED] * 4)
    assert {(row.endpoint_id, row.event_id) for row in deliveries(sessions)} == {
        *((every.id, order.id), (every.id, low.id)),
        *((orders.id, order.id), (stock.id, low.id)),
    }
    assert sorted(integrator.ids) == sorted([str(order.id), str(low.id)] * 2)
    for request in integrator.requests:
        assert sum(request.is_signed_with(made.secret) for made in (every, orders, stock)) == 1
        assert request.path == "/hooks?shop=stoa"
        assert request.headers["content-type"] == "application/cloudevents+json"
    assert broker.size("notifier.events") == 0


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many deliveries there are whenever the desk looks; it hands none over, and looks only when it is woken."""
    found: list[int] = []
    monkeypatch.setattr(dispatch, "LOOK_S", 3600.0)
    monkeypatch.setattr(dispatch, "is_any_due", lambda sessions: found.append(len(deliveries(sessions))))
    return found


def test_the_desk_looks_at_once_for_what_an_endpoint_wants_and_not_for_what_none_does(
    looks: list[int], client: TestClient, broker: Broker, sessions: Sessions, integrator: Integrator
) -> None:
    eventually(lambda: looks == [0])
    keep(sessions, integrator.url, "order.*")
    user = new_id()
    broker.tell(registered(user))
    eventually(lambda: len(all_mails(sessions)) == 1)
    broker.tell(placed(user))
    eventually(lambda: len(looks) == 2)
    assert looks == [0, 1]


def test_no_webhook_waits_for_what_only_the_mail_needs(
    client: TestClient, worker: None, broker: Broker, sessions: Sessions, integrator: Integrator
) -> None:
    keep(sessions, integrator.url)
    stranger = new_id()
    order = broker.tell(placed(stranger))
    eventually(lambda: integrator.ids == [str(order.id)])
    assert all_mails(sessions) == [], "nobody knows yet where it goes"
    broker.tell(registered(stranger))
    eventually(lambda: len(all_mails(sessions)) == 2)
    assert len(deliveries(sessions)) == 1


def test_an_event_that_passes_the_inbox_once_more_makes_no_second_delivery(
    sessions: Sessions, integrator: Integrator
) -> None:
    keep(sessions, integrator.url)
    (told,) = tell(sessions, placed(new_id()))
    with sessions.begin() as session:
        queue_deliveries(session, [told, told])
    work(sessions)
    assert integrator.ids == [str(told.id)]


def test_the_body_is_the_event_as_it_was_told(sessions: Sessions, integrator: Integrator) -> None:
    keep(sessions, integrator.url)
    (told,) = tell(sessions, ran_low())
    work(sessions)
    assert orjson.loads(integrator.requests[0].body) == {
        "specversion": "1.0",
        "id": str(told.id),
        "type": "product.low_stock",
        "source": "/services/catalog",
        "time": told.time.isoformat().replace("+00:00", "Z"),
        "subject": "7",
        "dataversion": 1,
        "sequence": 3,
        "data": {"product_id": 7, "version": 3, "sku": "L-1", "name": "Oil lamp", "stock": 4},
    }


def test_nobody_reads_bodies_but_the_worker_that_sends_them(sessions: Sessions, integrator: Integrator) -> None:
    keep(sessions, integrator.url)
    tell(sessions, ran_low())
    with sessions.begin() as session, pytest.raises(InvalidRequestError, match="Delivery.body"):
        _ = session.scalars(select(Delivery)).one().body
    work(sessions)
    assert integrator.requests[0].body


def test_what_nobody_outside_may_or_wants_to_hear_makes_no_delivery(sessions: Sessions, integrator: Integrator) -> None:
    keep(sessions, integrator.url, "order.*")
    off = keep(sessions, integrator.url)
    change_to(sessions, off, active=False)
    user = new_id()
    tell(sessions, registered(user), imported(user), ran_low(), cancelled(user, new_id(), was_placed=False))
    assert deliveries(sessions) == []
    tell(sessions, cancelled(user, new_id()))
    assert len(deliveries(sessions)) == 1


def test_a_failure_is_tried_again_later_with_the_same_bytes_and_id_and_a_new_time(
    sessions: Sessions, integrator: Integrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    integrator.answer = says(503, "later", Retry_After="3600")
    work(sessions)
    row, endpoint = only_delivery(sessions), endpoint_of(sessions, made)
    assert (row.state, row.attempts, row.status_code, row.answer) == (QUEUED, 1, 503, "later")
    assert timedelta(hours=1) <= row.due_at - row.created_at <= timedelta(hours=1.2)
    assert (endpoint.failures, endpoint.is_resting) == (1, True)
    assert work(sessions) == 0, "neither is due"
    wait_in_spirit(sessions)
    integrator.answer = says(200, "thanks")
    clock = time.time
    other_time(monkeypatch, visiting, time=lambda: clock() + 3600)
    work(sessions)
    row = only_delivery(sessions)
    assert (row.state, row.attempts, row.status_code, row.answer, row.error) == (DELIVERED, 2, 200, "thanks", "")
    assert endpoint_of(sessions, made).failures == 0
    first, second = integrator.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 3600
    assert first.is_signed_with(made.secret)
    assert second.is_signed_with(made.secret)


def test_an_endpoint_that_fails_rests_however_much_there_is_to_tell(sessions: Sessions, integrator: Integrator) -> None:
    made = keep(sessions, integrator.url)
    integrator.answer = says(500)
    for _ in range(30):
        tell(sessions, placed(new_id()))
        work(sessions)
    assert len(integrator.requests) == 1
    assert endpoint_of(sessions, made).failures == 1


def test_after_fifteen_failures_in_a_row_it_is_disabled_visibly_and_resumes_when_enabled(
    sessions: Sessions, integrator: Integrator
) -> None:
    made = keep(sessions, integrator.url)
    integrator.answer = says(500)
    tell(sessions, placed(new_id()), placed(new_id()))
    for number in range(1, MOST_FAILURES + 1):
        work(sessions)
        assert len(integrator.requests) == number
        wait_in_spirit(sessions)
    endpoint = endpoint_of(sessions, made)
    assert (endpoint.active, endpoint.disabled_reason) == (False, Reason.FAILURES)
    assert states(sessions) == [QUEUED] * 2, "what was waiting waits on"
    tell(sessions, placed(new_id()))
    assert work(sessions) == 0
    assert len(deliveries(sessions)) == 2, "and of nothing new is it told"
    integrator.answer = says(200)
    change(sessions, Delivery, due_at=now() + timedelta(hours=8))
    change_to(sessions, made, active=True)
    work(sessions)
    assert states(sessions) == [DELIVERED] * 2


def test_one_that_is_gone_is_disabled_at_once(sessions: Sessions, integrator: Integrator) -> None:
    made = keep(sessions, integrator.url)
    integrator.answer = says(410)
    tell(sessions, placed(new_id()), placed(new_id()))
    work(sessions)
    endpoint = endpoint_of(sessions, made)
    assert (endpoint.active, endpoint.disabled_reason) == (False, Reason.GONE)
    assert states(sessions) == [QUEUED] * 2
    assert work(sessions) == 0
    assert len(integrator.requests) == 1


def test_a_delivery_that_alone_is_refused_has_failed_in_the_end_and_the_others_arrive(
    sessions: Sessions, integrator: Integrator
) -> None:
    made = keep(sessions, integrator.url)
    integrator.answer = says(422)
    (bad,) = tell(sessions, placed(new_id()))
    for _ in range(MOST_TRIES):
        work(sessions)
        change(sessions, Endpoint, failures=0)
        wait_in_spirit(sessions)
    assert states(sessions) == [FAILED]
    integrator.answer = says(200)
    tell(sessions, placed(new_id()))
    work(sessions)
    assert states(sessions) == [FAILED, DELIVERED]
    assert integrator.ids.count(str(bad.id)) == MOST_TRIES
    redeliver(sessions, made.id, deliveries(sessions)[0].id)
    work(sessions)
    assert states(sessions) == [DELIVERED] * 2
    assert integrator.ids[-1] == str(bad.id)


def test_a_delivery_whose_worker_is_killed_is_delivered_again_under_the_same_id(
    sessions: Sessions, environment: None, integrator: Integrator
) -> None:
    keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    ((endpoint_id, before),) = plan_visits(sessions)
    code = f"from notifier import tasks; tasks.visit_endpoint('{endpoint_id}', {before})"
    arrived, dead = threading.Event(), threading.Event()
    integrator.meanwhile = lambda: (arrived.set(), dead.wait(60))
    process = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))
    assert arrived.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    integrator.meanwhile = lambda: None
    dead.set()
    assert only_delivery(sessions).state == SENDING
    assert plan_visits(sessions) == [], "the lease is respected"
    go(sessions, endpoint_id, before)  # the broker gives the task of a dead worker to the next one
    assert len(integrator.requests) == 1
    wait_in_spirit(sessions)
    work(sessions)
    assert (only_delivery(sessions).state, only_delivery(sessions).attempts) == (DELIVERED, 2)
    assert len(integrator.ids) == 2
    assert len(set(integrator.ids)) == 1


def test_two_workers_at_once_never_send_the_same_delivery(sessions: Sessions, integrator: Integrator) -> None:
    keep(sessions, integrator.url)
    told = tell(sessions, *(placed(new_id()) for _ in range(30)))
    ((endpoint_id, before),) = plan_visits(sessions)
    threads = [threading.Thread(target=go, args=(sessions, endpoint_id, before)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work(sessions)
    assert sorted(integrator.ids) == sorted(str(each.id) for each in told)
    assert states(sessions) == [DELIVERED] * 30


def test_a_visit_that_was_begun_anew_elsewhere_ends(sessions: Sessions, integrator: Integrator) -> None:
    keep(sessions, integrator.url)
    tell(sessions, placed(new_id()), placed(new_id()))
    ((endpoint_id, before),) = plan_visits(sessions)
    integrator.meanwhile = lambda: change(sessions, Endpoint, visits=before + 2, busy_until=now())
    go(sessions, endpoint_id, before)
    assert states(sessions) == [DELIVERED, QUEUED]
    go(sessions, endpoint_id, before)
    assert len(integrator.requests) == 1


@pytest.mark.parametrize("status", [200, 500])
def test_of_a_worker_that_was_too_slow_only_a_success_counts(
    sessions: Sessions, integrator: Integrator, status: int
) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    integrator.answer = says(status)
    integrator.meanwhile = lambda: change(sessions, Delivery, attempts=2, due_at=now() + timedelta(minutes=1))
    work(sessions)
    row = only_delivery(sessions)
    assert (row.state, row.attempts) == (DELIVERED if status == 200 else SENDING, 2)
    assert endpoint_of(sessions, made).failures == 0


def test_events_are_delivered_in_their_order_over_one_connection(sessions: Sessions, integrator: Integrator) -> None:
    keep(sessions, integrator.url)
    user, order = new_id(), new_id()
    steps = [placed(user, order), moved(user, order, 2, "pending", "processing"), cancelled(user, order)]
    told = tell(sessions, *steps)
    assert work(sessions) == 1
    assert integrator.ids == [str(each.id) for each in told]
    assert integrator.connections == 1


def test_a_visit_makes_room_for_others_after_a_while(
    sessions: Sessions, integrator: Integrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.hooks.visiting.VISIT_S", 0)
    keep(sessions, integrator.url)
    tell(sessions, placed(new_id()), placed(new_id()))
    assert work(sessions) == 2


def test_only_a_share_of_the_workers_is_with_integrators_however_many_look_at_once(
    sessions: Sessions, integrator: Integrator
) -> None:
    for _ in range(SHARE + 3):
        keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    found: list[Any] = []
    together = threading.Barrier(6)

    def look() -> None:
        together.wait(20)
        found.extend(plan_visits(sessions))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found)) == SHARE
    for endpoint_id, before in found[:2]:
        go(sessions, endpoint_id, before)
    assert len(plan_visits(sessions)) == 2, "as many as have come back"


def test_what_could_not_be_handed_to_the_workers_is_handed_over_later(
    sessions: Sessions, integrator: Integrator
) -> None:
    handed: list[Any] = []

    def away(_: Any) -> None:
        raise ConnectionError("the broker is away")

    keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    assert HookDispatch(sessions, away).hand_over() == 0
    assert HookDispatch(sessions, handed.extend).hand_over() == 0
    change(sessions, Endpoint, busy_until=now())
    assert HookDispatch(sessions, handed.extend).hand_over() == 1
    assert HookDispatch(sessions, handed.extend).hand_over() == 0, "it is in the workers' hands now"
    assert len(handed) == 1


def test_a_test_event_goes_the_same_way_to_this_endpoint_alone(sessions: Sessions, integrator: Integrator) -> None:
    made = keep(sessions, integrator.url, "product.low_stock")
    keep(sessions, integrator.url)
    change(sessions, Endpoint, rests_until=now() + timedelta(hours=8))
    queued = send_test(sessions, made.id)
    work(sessions)
    (request,) = integrator.requests
    body = orjson.loads(request.body)
    assert (body["type"], body["data"]["webhook_id"]) == ("webhook.test", str(made.id))
    assert request.headers["webhook-id"] == str(queued.event_id)
    assert request.is_signed_with(made.secret)


def test_the_log_says_when_the_next_attempt_is(sessions: Sessions, integrator: Integrator) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()), placed(new_id()))
    integrator.answer = says(500)
    work(sessions)

    def nexts() -> list[Any]:
        page = list_deliveries(sessions, made.id, DeliveriesQuery(), "/")
        return [row.next_attempt_at for row in page.results]

    rests_until = endpoint_of(sessions, made).rests_until
    assert rests_until
    assert all(moment and moment >= rests_until for moment in nexts())
    change_to(sessions, made, active=False)
    assert nexts() == [None, None]
