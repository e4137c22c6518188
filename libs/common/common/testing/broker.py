"""The broker bench: a virtual host of its own for each service's tests, events put in and taken out by hand."""

import base64
import json
import secrets
import time
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp

from common.broker import EXCHANGE
from common.events import Envelope, Event
from common.events.base import CONTENT_TYPE


class Broker:
    """A virtual host, spoken to synchronously from the tests."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _connection(self) -> amqp.Connection:
        parts = urlsplit(self.url)
        connection = amqp.Connection(
            f"{parts.hostname}:{parts.port}",
            userid=parts.username,
            password=parts.password,
            virtual_host=unquote(parts.path.removeprefix("/")),
        )
        connection.connect()
        return connection

    def tap(self, *types: str) -> str:
        """A queue that from now on gets these events too."""
        name = f"tap.{secrets.token_hex(4)}"
        with self._connection() as connection:
            channel = connection.channel()
            channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False)
            channel.queue_declare(name, durable=True, auto_delete=False)
            for event_type in types or ("#",):
                channel.queue_bind(name, EXCHANGE, event_type)
        return name

    def take(self, queue: str, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """`count` message bodies from the queue; fails when they do not come."""
        return [json.loads(body) for _, body in self.letters(queue, count, seconds)]

    def letters(self, queue: str, count: int, seconds: float = 20.0) -> list[tuple[dict[str, Any], str]]:
        """`count` messages from the queue as headers and body; fails when they do not come."""
        letters: list[tuple[dict[str, Any], str]] = []
        deadline = time.monotonic() + seconds
        with self._connection() as connection:
            channel = connection.channel()
            while len(letters) < count:
                message = channel.basic_get(queue, no_ack=True)
                if message is not None:
                    letters.append((message.headers or {}, message.body))
                    continue
                assert time.monotonic() < deadline, f"{queue}: {len(letters)} of {count} messages came"
                time.sleep(0.02)
        return letters

    def size(self, queue: str) -> int:
        """How many messages are ready in the queue."""
        with self._connection() as connection:
            declared = connection.channel().queue_declare(queue, passive=True)
            return int(declared.message_count)

    def tell(self, event: Event, times: int = 1) -> Envelope:
        """Publish an event as its owner would, as many times as a careless broker might."""
        envelope = Envelope.of(event)
        self.send(event.type, envelope.encode(), message_id=str(envelope.id), times=times)
        return envelope

    def send(
        self,
        routing_key: str,
        body: bytes,
        message_id: str = "",
        exchange: str = EXCHANGE,
        headers: dict[str, Any] | None = None,
        times: int = 1,
    ) -> None:
        """Publish bytes as they are."""
        with self._connection() as connection:
            channel = connection.channel()
            for _ in range(times):
                message = amqp.Message(
                    body,
                    message_id=message_id,
                    content_type=CONTENT_TYPE,
                    delivery_mode=2,
                    application_headers=headers or {},
                )
                channel.basic_publish_confirm(message, exchange, routing_key, mandatory=True)

    def drop(self, queue: str) -> None:
        """Delete a queue, as a careless operator might."""
        with self._connection() as connection:
            connection.channel().queue_delete(queue)


def fresh_vhost(broker_url: str, management_url: str) -> Broker:
    """A new, empty virtual host on the broker.

    It stays until the broker ends: RabbitMQ 3.10 loses its dead-letter workers, and with them the next declaration,
    when queues are deleted while they are being declared.
    """
    parts = urlsplit(broker_url)
    name = f"test-{secrets.token_hex(4)}"
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    manage(broker_url, management_url, "PUT", f"vhosts/{name}", {})
    manage(broker_url, management_url, "PUT", f"permissions/{name}/{parts.username}", rights)
    return Broker(f"amqp://{parts.username}:{parts.password}@{parts.hostname}:{parts.port}/{name}")


def manage(broker_url: str, management_url: str, method: str, path: str, body: object = None) -> None:
    """Ask the broker's management for something."""
    parts = urlsplit(broker_url)
    word = base64.b64encode(f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - the tests' own broker
        f"{management_url}/api/{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Basic {word}", "Content-Type": "application/json"},
        method=method,
    )
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 - as above
