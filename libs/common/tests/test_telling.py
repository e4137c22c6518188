"""What a worker says beside the outbox: it is heard as any event, and a broker that is away costs nobody anything."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from common import celery
from common.celery import telling
from common.events.auth import UserRegistered
from common.testing.broker import Broker
from common.testing.proxy import Proxy

NewApp = Callable[[str], Celery]
Registered = Callable[..., UserRegistered]


@pytest.fixture
def app(new_app: NewApp, broker: Broker) -> Celery:
    return new_app(broker.url)


@pytest.fixture
def distant(new_app: NewApp, proxy: Proxy, broker: Broker) -> Celery:
    """The same behind a door."""
    return new_app(proxy.through(broker.url))


def names(said: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["username"] for event in said]


def test_what_is_told_is_an_event_like_any_other(app: Celery, broker: Broker, registered: Registered) -> None:
    tap = broker.tap("user.registered")
    event = registered()

    with telling(app) as tell:
        assert tell(event)

    ((_, body),) = broker.letters(tap, 1)
    said = json.loads(body)
    assert (said["specversion"], said["type"], said["source"]) == ("1.0", event.type, event.source)
    assert (said["subject"], said["sequence"]) == (event.subject, event.sequence)
    assert UserRegistered.model_validate(said["data"]) == event


def test_nobody_need_have_laid_out_the_exchange_or_listen(app: Celery, registered: Registered) -> None:
    with telling(app) as tell:
        assert tell(registered())
        assert tell(registered())


def test_a_broker_that_is_not_there_raises_nothing(new_app: NewApp, registered: Registered) -> None:
    with telling(new_app("amqp://nobody:nothing@127.0.0.1:9/none")) as tell:
        assert not tell(registered())
        assert not tell(registered())


def test_a_lost_connection_is_made_anew(distant: Celery, proxy: Proxy, broker: Broker, registered: Registered) -> None:
    tap = broker.tap("user.registered")
    with telling(distant) as tell:
        assert tell(registered(name="first"))
        proxy.cut()
        assert tell(registered(name="second"))
        proxy.shut()
        assert not tell(registered(name="lost"))
        proxy.open()
        assert tell(registered(name="third"))

    assert len(names(broker.take(tap, 3))) == 3


def test_a_broker_that_does_not_answer_is_not_waited_for(
    distant: Celery, proxy: Proxy, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "TELL_S", 0.3)
    with telling(distant) as tell:
        assert tell(registered())
        proxy.jam()
        assert not tell(registered())
    proxy.release()
