"""The rules of webhooks that need no server: signatures, patterns, pauses, and when an endpoint is given up."""

from datetime import timedelta

import pytest

from common.clock import now
from common.errors import Unavailable
from common.events.hearers import HEARERS
from common.ids import new_id
from notifier.hooks.models import (
    JITTER,
    LONGEST_WISH_S,
    MOST_FAILURES,
    MOST_TRIES,
    RETRY_S,
    Delivery,
    DeliveryState,
    Endpoint,
    Reason,
    covers,
    pause_after,
)
from notifier.hooks.outcome import Outcome
from notifier.hooks.schemas import EndpointChange
from notifier.hooks.signatures import Seal, new_secret, sign
from notifier.hooks.telling import TOLD, stray
from notifier.settings import NotifierSettings

from .hookdesk import KEY

pytestmark = pytest.mark.unit

DAY_S = 86_400
BAD = Outcome(status_code=500)
REST = {"database_url": "", "broker_url": "", "redis_url": ""}


def test_the_signature_is_the_one_that_the_specification_publishes() -> None:
    """The vector in the libraries of standard-webhooks/standard-webhooks."""
    secret, message = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signed = sign([secret], message, 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign([secret, secret], message, 1614265330, b'{"test": 2432232314}') == f"{signed} {signed}"


def test_a_secret_is_32_random_bytes_and_kept_sealed() -> None:
    secret = new_secret()
    assert secret != new_secret()
    assert len(secret) == len("whsec_") + 44
    sealed = Seal(KEY).close(secret)
    assert secret.removeprefix("whsec_") not in sealed
    assert Seal(KEY).open(sealed) == secret
    with pytest.raises(Unavailable, match="STOA_WEBHOOK_KEY"):
        Seal(KEY + "another").open(sealed)


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("*", set(TOLD)),
        ("order.*", {"order.placed", "order.status_changed", "order.cancelled"}),
        ("product.low_stock", {"product.low_stock"}),
        ("product.*", {"product.low_stock"}),
        ("order.place", set()),
        ("orde.*", set()),
        ("user.*", set()),
    ],
)
def test_a_pattern_names_all_events_a_group_or_one(pattern: str, heard: set[str]) -> None:
    assert {kind for kind in TOLD if covers(pattern, kind)} == heard
    assert stray([pattern]) == ([] if heard else [pattern])


def test_a_change_promises_no_default_for_what_is_left_out() -> None:
    assert EndpointChange().model_fields_set == set()
    assert EndpointChange().model_dump() == {}
    assert "default" not in str(EndpointChange.model_json_schema())


def test_what_is_told_outside_is_heard_inside() -> None:
    assert set(TOLD) <= set(HEARERS["notifier"])


def test_nothing_about_accounts_is_told_outside() -> None:
    assert not [kind for kind in TOLD if kind.startswith("user.")]
    assert stray(["user.registered", "user.otp_requested", "user.password_reset_requested", "user.sessions_revoked"])


def test_pauses_grow_over_a_day_and_are_never_shorter_than_planned() -> None:
    assert list(RETRY_S) == sorted(set(RETRY_S))
    assert DAY_S < sum(RETRY_S) < 1.2 * DAY_S
    for tries, planned in enumerate(RETRY_S, start=1):
        pauses = {pause_after(tries).total_seconds() for _ in range(50)}
        assert all(planned <= pause <= planned * (1 + JITTER) for pause in pauses)
        assert len(pauses) > 1
    assert pause_after(MOST_FAILURES + 5).total_seconds() >= RETRY_S[-1]


def test_an_endpoint_may_ask_for_a_longer_pause_of_a_day_at_most() -> None:
    assert 900 <= pause_after(1, 900).total_seconds() <= 990
    assert pause_after(1, 10**9).total_seconds() <= LONGEST_WISH_S * (1 + JITTER)
    assert pause_after(14, 1).total_seconds() >= RETRY_S[13]


def _delivery() -> Delivery:
    shared = {"event_type": "order.placed", "body": b"{}", "state": "queued", "attempts": 0, "tried_before": 0}
    return Delivery(id=new_id(), endpoint_id=new_id(), event_id=new_id(), due_at=now(), **shared)


def _endpoint() -> Endpoint:
    return Endpoint(id=new_id(), active=True, failures=0, events=["*"], secret="new", busy_until=now(), visits=0)


def test_a_delivery_has_failed_after_its_last_try_and_can_be_begun_anew() -> None:
    delivery = _delivery()
    for _ in range(2):
        for tries in range(1, MOST_TRIES + 1):
            assert delivery.state == DeliveryState.QUEUED
            delivery.claim()
            assert delivery.tries == tries
            delivery.fail(BAD, timedelta(seconds=7), _endpoint())
        assert delivery.state == DeliveryState.FAILED
        delivery.send_again()
    assert delivery.attempts == 2 * MOST_TRIES, "so that a worker of the first round is known for an old one"


def test_an_endpoint_is_disabled_after_fifteen_failures_in_a_row() -> None:
    endpoint = _endpoint()
    for _ in range(MOST_FAILURES - 1):
        endpoint.note_failure(BAD, timedelta(seconds=7))
    assert endpoint.active
    endpoint.forgive()
    for _ in range(MOST_FAILURES):
        assert endpoint.active
        endpoint.note_failure(BAD, timedelta(seconds=7))
    assert (endpoint.active, endpoint.disabled_reason) == (False, Reason.FAILURES)
    endpoint.enable()
    assert (endpoint.active, endpoint.disabled_reason, endpoint.failures, endpoint.rests_until) == (True, None, 0, None)


def test_the_previous_secret_signs_for_a_day_more() -> None:
    endpoint = _endpoint()
    assert endpoint.sealed_secrets() == ["new"]
    endpoint.rotate("newer")
    assert endpoint.sealed_secrets() == ["newer", "new"]
    endpoint.rotate("newest")
    assert endpoint.sealed_secrets() == ["newest", "newer"]
    endpoint.previous_secret_until = now()
    assert endpoint.sealed_secrets() == ["newest"]


def test_production_takes_no_placeholder_no_http_and_no_private_addresses() -> None:
    real = {"env": "production", "service_key": "k", "sister_keys": "k", **REST}
    with pytest.raises(ValueError, match="STOA_WEBHOOK_KEY still holds a placeholder"):
        NotifierSettings(webhook_key="change-me-" * 4, **real)
    with pytest.raises(ValueError, match="STOA_WEBHOOK_ALLOW_PRIVATE"):
        NotifierSettings(webhook_key=KEY, webhook_allow_private=True, **real)
    settings = NotifierSettings(webhook_key=KEY, **real)
    assert not settings.webhook_policy.allow_clear
    assert not settings.webhook_policy.allow_private
    assert KEY not in repr(settings)
    with pytest.raises(ValueError, match="at least 32 characters"):
        NotifierSettings(webhook_key="short", **REST)
