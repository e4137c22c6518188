"""The broker's tests: a publish is confirmed or raises, and says whose fault it was."""

import asyncio
from collections.abc import Callable
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import ChannelInvalidStateError, ChannelPreconditionFailed, DeliveryError
from pamqp.commands import Basic

from common import broker as room
from common.broker import (
    DELAYS_S,
    EXCHANGE,
    HEARERS,
    Refused,
    connect,
    declare_delays,
    declare_events,
    disconnect,
    publish,
)
from common.testing.broker import Broker
from common.testing.proxy import Proxy


class Channel:
    """Takes what is published, and answers with `answer`."""

    def __init__(self, answer: Callable[[], Any] = lambda: None) -> None:
        self.answer = answer
        self.published: list[dict[str, Any]] = []

    async def get_underlay_channel(self) -> "Channel":
        return self

    async def basic_publish(self, body: bytes, **more: Any) -> None:
        self.published.append({"body": body, **more})
        outcome = self.answer()
        if asyncio.isfuture(outcome):
            await outcome


async def send(channel: Channel, **more: Any) -> None:
    to: Any = channel
    await publish(to, "some", "a.b", b"body", message_id="m1", content_type="text/x", **more)


@pytest.mark.unit
def test_a_message_is_persistent_and_carries_its_id() -> None:
    channel = Channel()
    asyncio.run(send(channel, headers={"x-attempt": 2}, mandatory=False))
    sent = channel.published[0]
    properties = sent["properties"]
    assert (sent["body"], properties.message_id, properties.content_type) == (b"body", "m1", "text/x")
    assert properties.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert (sent["exchange"], sent["routing_key"], sent["mandatory"]) == ("some", "a.b", False)
    assert properties.headers == {"x-attempt": 2}
    assert sent["wait"] is False, "what is sent at once leaves together"


def fail(error: BaseException) -> Callable[[], Any]:
    def answer() -> None:
        raise error

    return answer


@pytest.mark.unit
@pytest.mark.parametrize("error", [ChannelPreconditionFailed("too large"), ValueError("cannot be encoded")])
def test_what_the_message_itself_is_to_blame_for_is_a_refusal(error: Exception) -> None:
    with pytest.raises(Refused):
        asyncio.run(send(Channel(fail(error))))


@pytest.mark.unit
@pytest.mark.parametrize(
    "error", [DeliveryError(None, Basic.Nack()), ChannelInvalidStateError("closed"), OSError("gone"), TimeoutError()]
)
def test_what_the_broker_is_to_blame_for_is_no_refusal(error: Exception) -> None:
    with pytest.raises(ConnectionError) as failed:
        asyncio.run(send(Channel(fail(error))))
    assert not isinstance(failed.value, Refused)


@pytest.mark.unit
def test_a_confirm_that_does_not_come_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CONFIRM_S", 0.01)
    with pytest.raises(ConnectionError):
        asyncio.run(send(Channel(lambda: asyncio.get_running_loop().create_future())))


def cancelled_future() -> Any:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    return future


@pytest.mark.unit
def test_a_cancellation_by_a_dying_connection_is_a_lost_connection() -> None:
    with pytest.raises(ConnectionError):
        asyncio.run(send(Channel(cancelled_future)))


@pytest.mark.unit
def test_our_own_cancellation_stays_one() -> None:
    async def story() -> None:
        channel = Channel(lambda: asyncio.get_running_loop().create_future())
        task = asyncio.create_task(send(channel))
        while not channel.published:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_the_layout_can_be_declared_again_and_again(broker: Broker) -> None:
    async def story() -> None:
        for _ in range(2):
            connection = await connect(broker.url, "layout")
            channel = await connection.channel(on_return_raises=True)
            await declare_events(channel)
            await declare_delays(channel)
            await publish(channel, EXCHANGE, "user.registered", b"{}", message_id="m", content_type="x")
            with pytest.raises(Refused):
                await publish(channel, EXCHANGE, "nobody.hears", b"{}", message_id="m", content_type="x")
            await disconnect(connection)

    asyncio.run(story())
    for service in HEARERS:
        assert broker.size(f"{service}.events") == 2
        assert broker.size(f"{service}.events.dead") == 0
    for seconds in DELAYS_S:
        assert broker.size(f"stoa.retry.{seconds}s") == 0


def test_a_message_comes_back_from_a_delay_queue_to_the_queue_it_names(broker: Broker) -> None:
    async def story() -> None:
        connection = await connect(broker.url, "delay")
        channel = await connection.channel(on_return_raises=True)
        await declare_events(channel)
        await declare_delays(channel)
        headers = {"x-attempt": 1}
        await publish(
            channel, "stoa.retry.1s", "toys.events", b"later", message_id="m", content_type="x", headers=headers
        )
        await disconnect(connection)

    asyncio.run(story())
    assert broker.size("toys.events") == 0
    headers, body = broker.letters("toys.events", 1)[0]
    assert headers["x-attempt"] == 1
    assert body in (b"later", "later")  # the library decodes what has an encoding


@pytest.mark.parametrize("state", ["shut", "jammed"])
def test_a_connection_that_cannot_be_made_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, broker: Broker, door: Callable[[str], Proxy], state: str
) -> None:
    monkeypatch.setattr(room, "CONNECT_S", 0.2)
    made: list[aio_pika.Connection] = []

    class Noted(aio_pika.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(room.aio_pika, "Connection", Noted)
    way = door(broker.url)
    if state == "shut":
        way.shut()
    else:
        way.jam()

    async def story() -> set[Any]:
        with pytest.raises((OSError, TimeoutError)):
            await connect(way.through(broker.url), "never")
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(story()) == set()
    assert [connection.is_closed for connection in made] == [True]


def test_a_connection_whose_peer_has_fallen_silent_is_given_up(
    monkeypatch: pytest.MonkeyPatch, broker: Broker, door: Callable[[str], Proxy]
) -> None:
    way = door(broker.url)

    async def story() -> bool:
        connection = await connect(way.through(broker.url), "silent")
        way.jam()
        monkeypatch.setattr(room, "CONNECT_S", 0.2)
        await disconnect(connection)
        return connection.is_closed

    assert asyncio.run(story())
