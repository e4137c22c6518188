"""What administrators ask for by hand, a test or a delivery once more: it goes first, and is held against nobody."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from notifier.hooks.keeping import redeliver, send_test
from notifier.hooks.models import MOST_FAILURES, Delivery, DeliveryState, Endpoint
from notifier.hooks.queries import list_deliveries
from notifier.hooks.schemas import DeliveriesQuery, EndpointWithSecret

from .hookdesk import change, deliveries, endpoint_of, keep, states, tell, work
from .integrator import Integrator, says
from .telling import placed

QUEUED, DELIVERED = DeliveryState.QUEUED, DeliveryState.DELIVERED
Ask = Callable[[Sessions, EndpointWithSecret], UUID]


def ask_test(sessions: Sessions, made: EndpointWithSecret) -> UUID:
    return send_test(sessions, made.id).event_id


def ask_redelivery(sessions: Sessions, made: EndpointWithSecret) -> UUID:
    *_, newest = deliveries(sessions)
    return redeliver(sessions, made.id, newest.id).event_id


ASK = pytest.mark.parametrize("ask", [ask_test, ask_redelivery])


@ASK
def test_it_goes_before_all_that_is_due(sessions: Sessions, integrator: Integrator, ask: Ask) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, *(placed(new_id()) for _ in range(3)))
    asked = ask(sessions, made)
    work(sessions)
    assert integrator.ids[0] == str(asked)
    assert states(sessions) == [DELIVERED] * len(deliveries(sessions))


@ASK
def test_it_waits_for_no_rest_and_leaves_the_rest_as_it_is(
    sessions: Sessions, integrator: Integrator, ask: Ask
) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()), placed(new_id()))
    until = now() + timedelta(hours=8)
    change(sessions, Endpoint, rests_until=until, failures=3)
    integrator.answer = says(500)
    asked = ask(sessions, made)
    work(sessions)
    assert integrator.ids == [str(asked)], "the others wait"
    endpoint = endpoint_of(sessions, made)
    assert (endpoint.failures, endpoint.rests_until) == (3, until)
    integrator.answer = says(200)
    ask(sessions, made)
    work(sessions)
    assert states(sessions).count(DELIVERED) >= 2, "a success ends the rest"
    assert endpoint_of(sessions, made).failures == 0


@ASK
@pytest.mark.parametrize("status", [500, 410])
def test_asking_often_disables_nobody(sessions: Sessions, integrator: Integrator, ask: Ask, status: int) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    change(sessions, Endpoint, rests_until=now() + timedelta(hours=8), failures=MOST_FAILURES - 1)
    integrator.answer = says(status)
    for number in (1, 2):
        ask(sessions, made)
        work(sessions)
        assert len(integrator.requests) == number
    endpoint = endpoint_of(sessions, made)
    assert (endpoint.active, endpoint.failures) == (True, MOST_FAILURES - 1)


def test_a_try_that_nobody_asked_for_counts_again(sessions: Sessions, integrator: Integrator) -> None:
    made = keep(sessions, integrator.url)
    integrator.answer = says(500)
    ask_test(sessions, made)
    work(sessions)
    assert endpoint_of(sessions, made).failures == 0
    change(sessions, Delivery, due_at=now())
    work(sessions)
    assert endpoint_of(sessions, made).failures == 1


def test_the_log_says_that_it_is_tried_now(sessions: Sessions) -> None:
    made = keep(sessions, "https://example.com/")
    until = now() + timedelta(hours=8)
    change(sessions, Endpoint, rests_until=until)
    before = now()
    shown = send_test(sessions, made.id)
    (listed,) = list_deliveries(sessions, made.id, DeliveriesQuery(), "/").results
    for moment in (shown.next_attempt_at, listed.next_attempt_at):
        assert moment
        assert before <= moment < until
