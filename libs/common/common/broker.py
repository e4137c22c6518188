"""The broker's room: exchanges, queues and a publish that either is confirmed or raises.

Topology (design: reliability, D9): one topic exchange; per hearing service a quorum queue and a dead-letter queue, and
where there is something that is worth hearing for minutes only a brief queue, whose messages expire and are never
dead-lettered; four delay queues shared by all, from which a message returns to the queue that its routing key names.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aio_pika.exceptions import ChannelPreconditionFailed, PublishError

from common.events.hearers import BRIEF, HEARERS

EXCHANGE = "stoa.events"
DIRECT = ""
"""The exchange that is always there: a message's routing key is the name of its queue."""
DELAYS_S = (1, 10, 60, 600)
"""Seconds before the second, third, fourth and fifth try (design: reliability, D9)."""
DELIVERY_LIMIT = 20
"""Deliveries after which the broker itself dead-letters a message whose consumer keeps dying (reliability, fact 2)."""
PREFETCH = 100
"""Messages that a consumer has at once, and so the most in one transaction. With 20, a third of the time went by in
waiting for commits (`make bench-events`)."""
HEARTBEAT_S = 10
CONNECT_S = 5
CONFIRM_S = 5
BRIEF_S = 600
"""How long a brief queue keeps a message: the life of a one-time code (design: api.md, section 2)."""
DEAD_LETTER_BYTES = 100 * 1024 * 1024

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}


class Refused(ConnectionError):
    """The broker is there, and would not take this very message."""


def queue_name(service: str) -> str:
    """The queue on which a service hears events."""
    return f"{service}.events"


def brief_queue_name(service: str) -> str:
    """The queue on which a service hears what is worth hearing for minutes only."""
    return f"{service}.events.brief"


def dead_letter_name(service: str) -> str:
    """Where what a service could not handle is kept for an operator."""
    return f"{service}.events.dead"


def delay_name(seconds: int) -> str:
    """Exchange and queue that hold a message back for so long."""
    return f"stoa.retry.{seconds}s"


async def connect(url: str, name: str) -> AbstractConnection:
    """A connection; its name shows in the management page.

    It does not come back by itself: whoever works on it is kept running (`common.running`) and connects anew. The
    library's robust connection would go on reconnecting after its owner was cancelled, and so keep a process alive.
    """
    address = aio_pika.connection.make_url(url, heartbeat=HEARTBEAT_S)
    connection = aio_pika.Connection(address, client_properties={"connection_name": name})
    try:
        await connection.connect(timeout=CONNECT_S)
    except BaseException:
        await disconnect(connection)  # else the library does so when it is collected, in whatever thread that is
        raise
    return connection


async def disconnect(connection: AbstractConnection) -> None:
    """Close the connection; one whose peer does not answer is given up after 5 s."""
    try:
        with suppress(TimeoutError, OSError, aio_pika.exceptions.AMQPException, RuntimeError):
            async with asyncio.timeout(CONNECT_S):
                await connection.close()
    finally:
        await connection.close()  # of one that was given up there is nothing left but the note that it is closed


async def declare_events(channel: AbstractChannel) -> None:
    """The exchange and every hearer's queue, so that an event waits for a service that has never run yet."""
    exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
    for service, types in HEARERS.items():
        queue = await declare_queue(channel, service)
        for event_type in types:
            await queue.bind(exchange, event_type)
    for service, types in BRIEF.items():
        queue = await declare_brief_queue(channel, service)
        for event_type in types:
            await queue.bind(exchange, event_type)


async def declare_queue(channel: AbstractChannel, service: str) -> AbstractQueue:
    """A service's queue; messages that exceed the delivery limit go to its dead-letter queue."""
    dead = dead_letter_name(service)
    await channel.declare_queue(dead, durable=True, arguments=QUORUM | {"x-max-length-bytes": DEAD_LETTER_BYTES})
    arguments = QUORUM | {
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return await channel.declare_queue(queue_name(service), durable=True, arguments=arguments)


async def declare_brief_queue(channel: AbstractChannel, service: str) -> AbstractQueue:
    """A service's brief queue; what expires on it, or exceeds the delivery limit, is gone."""
    arguments = QUORUM | {
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-message-ttl": BRIEF_S * 1000,
        "x-overflow": "reject-publish",
    }
    return await channel.declare_queue(brief_queue_name(service), durable=True, arguments=arguments)


async def declare_delays(channel: AbstractChannel) -> None:
    """The delay queues: a message published with a work queue's name as routing key returns there in time."""
    for seconds in DELAYS_S:
        exchange = await channel.declare_exchange(delay_name(seconds), aio_pika.ExchangeType.FANOUT, durable=True)
        arguments = QUORUM | {
            "x-message-ttl": seconds * 1000,
            "x-dead-letter-exchange": "",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        queue = await channel.declare_queue(delay_name(seconds), durable=True, arguments=arguments)
        await queue.bind(exchange)


async def publish(
    channel: AbstractChannel,
    exchange: str,
    routing_key: str,
    body: bytes,
    *,
    message_id: str,
    content_type: str,
    headers: Mapping[str, Any] | None = None,
    mandatory: bool = True,
) -> None:
    """Send a persistent message and wait for the broker's confirm, 5 s at most.

    Raises Refused when the message itself is the reason (no queue takes it, it is too large, it cannot be encoded) and
    ConnectionError when it was not confirmed for any other. A connection that dies while a confirm is awaited shows as
    CancelledError (reliability, fact 3); one that is not this task's own cancellation is turned into ConnectionError.
    """
    message = aio_pika.Message(
        body,
        message_id=message_id,
        content_type=content_type,
        headers=dict(headers or {}),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    try:
        async with asyncio.timeout(CONFIRM_S):  # the library's own limit leaves out the wait for a connection
            wire: Any = await channel.get_underlay_channel()  # whose description leaves out `wait`
            await wire.basic_publish(
                message.body,
                exchange=exchange,
                routing_key=routing_key,
                properties=message.properties,
                mandatory=mandatory,
                wait=False,  # else each waits until the one before it has left, instead of leaving with it
            )
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionError("the broker went away before it confirmed") from None
    except (PublishError, ChannelPreconditionFailed, ValueError, TypeError) as error:
        raise Refused(f"the broker does not take this message: {error!r}") from error
    except (aio_pika.exceptions.AMQPException, TimeoutError, OSError, RuntimeError) as error:
        raise ConnectionError(f"the broker did not confirm: {error!r}") from error
