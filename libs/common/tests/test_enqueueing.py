"""How tasks reach the workers: over a connection that is kept, and replaced when it has died; none is lost unsaid."""

import select
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import amqp
import pytest
from celery import Celery, Task
from kombu.exceptions import EncodeError

from common import celery
from common.celery import enqueue
from common.testing.broker import Broker
from common.testing.proxy import Proxy

JOBS = "toys.jobs"

NewApp = Callable[[str], Celery]


def play(_: object) -> None:
    """No worker comes to this."""


@pytest.fixture
def task(new_app: NewApp, proxy: Proxy, broker: Broker) -> Task:
    """A task that is told of through a door before the broker."""
    return new_app(proxy.through(broker.url)).task(name="toys.play", shared=False)(play)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> list[amqp.Connection]:
    """The connections that are made through the door from now on."""
    connections: list[amqp.Connection] = []
    connect = amqp.Connection.connect

    def overhear(connection: amqp.Connection, *more: object) -> object:
        if connection.host == f"127.0.0.1:{proxy.port}":
            connections.append(connection)
        return connect(connection, *more)

    monkeypatch.setattr(amqp.Connection, "connect", overhear)
    return connections


def test_one_connection_carries_all_that_is_told(task: Task, broker: Broker, made: list[amqp.Connection]) -> None:
    enqueue(task, ["one"], ["two"])
    enqueue(task, ["three"])
    assert len(made) == 1
    assert broker.size(JOBS) == 3


def test_many_at_once_do_not_get_in_each_others_way(task: Task, broker: Broker) -> None:
    enqueue(task, ["first"])
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda number: enqueue(task, [number], [number]), range(40)))
    assert broker.size(JOBS) == 81


def test_a_connection_that_has_died_is_replaced_and_nothing_is_told_twice(
    task: Task, proxy: Proxy, broker: Broker
) -> None:
    enqueue(task, ["first"])
    proxy.cut()
    assert Broker(proxy.through(broker.url)).size(JOBS) == 1, "and by now the end has reached everyone"
    enqueue(task, ["second"])
    assert broker.size(JOBS) == 2


def test_a_connection_that_the_broker_has_ended_is_replaced_too(
    task: Task, broker: Broker, made: list[amqp.Connection]
) -> None:
    """As it does when it is stopped properly: with a word to say so, which lies there unread."""
    enqueue(task, ["first"])
    made[0].transport.write(b"no frame of the protocol")
    assert select.select([made[0].sock], [], [], 20)[0], "it complains"
    enqueue(task, ["second"])
    assert broker.size(JOBS) == 2


def test_while_the_broker_is_away_nothing_is_told_and_the_caller_knows(
    task: Task, proxy: Proxy, broker: Broker
) -> None:
    enqueue(task, ["first"])
    proxy.shut()
    for lost in ("second", "third"):
        with pytest.raises(ConnectionError, match="did not confirm"):
            enqueue(task, [lost])
    proxy.open()
    enqueue(task, ["fourth"])
    assert broker.size(JOBS) == 2


def test_a_broker_that_does_not_answer_is_not_waited_for(
    task: Task, proxy: Proxy, broker: Broker, made: list[amqp.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "CONFIRM_S", 1)
    monkeypatch.setattr(celery, "CONNECT_S", 1)
    enqueue(task, ["first"])
    proxy.jam()
    for number in (1, 2):  # over the kept connection, which is not asked a second time, and over a new one
        with pytest.raises(ConnectionError, match="did not confirm"):
            enqueue(task, ["late"])
        assert len(made) == number
    proxy.release()
    enqueue(task, ["second"])
    assert broker.size(JOBS) >= 2


def test_a_queue_that_somebody_has_deleted_is_laid_out_again(task: Task, broker: Broker) -> None:
    enqueue(task, ["first"])
    broker.drop(JOBS)
    enqueue(task, ["second"])
    assert broker.size(JOBS) == 1


def test_a_refusal_spoils_no_later_call(task: Task, broker: Broker) -> None:
    with broker._connection() as connection:
        connection.channel().queue_declare(JOBS, durable=False, auto_delete=False)
    with pytest.raises(ConnectionError, match="did not confirm"):
        enqueue(task, ["first"])
    broker.drop(JOBS)
    enqueue(task, ["second"])
    assert broker.size(JOBS) == 1


def test_a_connection_over_which_something_has_failed_is_not_used_again(
    task: Task, broker: Broker, made: list[amqp.Connection]
) -> None:
    enqueue(task, ["first"])
    with pytest.raises(EncodeError):
        enqueue(task, ["second"], [object()])
    enqueue(task, ["third"])
    assert len(made) == 2
    assert broker.size(JOBS) == 3
