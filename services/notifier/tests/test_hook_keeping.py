"""What becomes of deliveries when an endpoint gets another secret or address, or is removed; and when they are old."""

from typing import Any

import pytest

from common import tidying
from common.clock import now
from common.database import Sessions
from common.errors import NotFound
from common.ids import new_id
from notifier.hooks import visiting
from notifier.hooks.dispatch import KEEP, tidy_deliveries
from notifier.hooks.keeping import Keeper, remove_endpoint, rotate_secret
from notifier.hooks.models import MOST_FAILURES, Delivery, DeliveryState, Endpoint
from notifier.hooks.queries import list_deliveries
from notifier.hooks.schemas import DeliveriesQuery
from notifier.hooks.signatures import Seal

from .hookdesk import (
    HERE,
    KEEPER,
    change,
    change_to,
    deliveries,
    endpoint_of,
    keep,
    only_delivery,
    states,
    tell,
    wait_in_spirit,
    work,
)
from .integrator import Integrator, says
from .telling import placed, ran_low

QUEUED, SENDING, DELIVERED, FAILED = DeliveryState


def test_both_secrets_sign_for_a_day_after_a_rotation(sessions: Sessions, integrator: Integrator) -> None:
    old = keep(sessions, integrator.url)
    new = rotate_secret(sessions, KEEPER, old.id)
    tell(sessions, placed(new_id()))
    work(sessions)
    change(sessions, Endpoint, previous_secret_until=now())
    tell(sessions, placed(new_id()))
    work(sessions)
    signed = [[request.is_signed_with(made.secret) for made in (new, old)] for request in integrator.requests]
    assert signed == [[True, True], [True, False]]


@pytest.mark.parametrize("status", [500, 410])
def test_what_the_previous_address_answers_is_not_held_against_the_new_one(
    sessions: Sessions, integrator: Integrator, status: int
) -> None:
    made = keep(sessions, integrator.url)
    (told,) = tell(sessions, placed(new_id()))
    with Integrator.opened() as new:
        integrator.answer = says(status)
        integrator.meanwhile = lambda: change_to(sessions, made, url=new.url)
        assert work(sessions) == 1
        assert new.ids == [str(told.id)], "where it goes at once"
    row, endpoint = only_delivery(sessions), endpoint_of(sessions, made)
    assert (row.state, row.status_code, row.tries) == (DELIVERED, 204, 1)
    assert (endpoint.active, endpoint.failures, endpoint.rests_until) == (True, 0, None)


def test_what_the_previous_address_takes_says_nothing_about_the_new_one(
    sessions: Sessions, integrator: Integrator
) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    integrator.meanwhile = lambda: change(sessions, Endpoint, url="https://example.com/new", failures=3)
    work(sessions)
    assert states(sessions) == [DELIVERED]
    assert endpoint_of(sessions, made).failures == 3


def test_what_is_removed_while_it_is_being_sent_to_is_gone(sessions: Sessions, integrator: Integrator) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()), placed(new_id()))
    integrator.meanwhile = lambda: remove_endpoint(sessions, made.id)
    work(sessions)
    assert len(integrator.requests) == 1
    tidy_deliveries(sessions)
    assert deliveries(sessions) == []


def test_the_log_of_a_removed_one_is_left_to_the_tidying_chunk_by_chunk(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "CHUNK", 2)
    made, kept = (keep(sessions, "https://example.com/", *events) for events in (["*"], ["product.*"]))
    tell(sessions, *(placed(new_id()) for _ in range(5)), ran_low())
    remove_endpoint(sessions, made.id)
    with pytest.raises(NotFound):
        list_deliveries(sessions, made.id, DeliveriesQuery(), "/")
    assert len(deliveries(sessions)) == 7, "no request waits until all are gone"
    tidy_deliveries(sessions)
    assert [row.endpoint_id for row in deliveries(sessions)] == [kept.id]


def test_a_secret_that_cannot_be_opened_is_our_own_fault_and_counts_against_nobody(
    sessions: Sessions, integrator: Integrator
) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    for _ in range(MOST_FAILURES + 1):
        work(sessions, Seal("another-key-than-the-one-it-was-sealed-with"))
        wait_in_spirit(sessions)
    row, endpoint = only_delivery(sessions), endpoint_of(sessions, made)
    assert (row.state, row.tries, endpoint.failures, endpoint.active) == (QUEUED, 0, 0, True)
    assert "STOA_WEBHOOK_KEY" in row.error
    work(sessions)
    assert states(sessions) == [DELIVERED]


def test_another_key_is_mended_by_a_new_secret(sessions: Sessions, integrator: Integrator) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()), placed(new_id()))
    another = Seal("another-key-than-the-one-it-was-sealed-with")
    work(sessions, another)
    assert states(sessions) == [QUEUED] * 2
    new = rotate_secret(sessions, Keeper(another, HERE), made.id)
    assert new.previous_secret_until is None
    work(sessions, another)
    assert states(sessions) == [DELIVERED] * 2
    assert all(request.is_signed_with(new.secret) for request in integrator.requests)


def test_a_secret_that_is_renewed_at_the_moment_it_cannot_be_opened_holds_nothing_up(
    sessions: Sessions, integrator: Integrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = keep(sessions, integrator.url)
    tell(sessions, placed(new_id()))
    another = Seal("another-key-than-the-one-it-was-sealed-with")
    fails = visiting._headers

    def meanwhile(errand: Any, seal: Seal) -> Any:
        monkeypatch.undo()
        rotate_secret(sessions, Keeper(another, HERE), made.id)
        return fails(errand, seal)

    monkeypatch.setattr(visiting, "_headers", meanwhile)
    work(sessions, another)
    assert states(sessions) == [DELIVERED]
    assert endpoint_of(sessions, made).rests_until is None


def test_old_deliveries_are_dropped(
    sessions: Sessions, integrator: Integrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "CHUNK", 2)
    keep(sessions, integrator.url)
    tell(sessions, *(placed(new_id()) for _ in range(5)))
    change(sessions, Delivery, created_at=now() - KEEP)
    tell(sessions, placed(new_id()))
    tidy_deliveries(sessions)
    assert len(deliveries(sessions)) == 1
