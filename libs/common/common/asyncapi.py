"""The AsyncAPI document's room: who says what to whom over the broker, in the words of AsyncAPI 3.0."""

import inspect
from typing import Any

from pydantic.json_schema import models_json_schema

from common.broker import EXCHANGE, brief_queue_name, queue_name
from common.contracts import every_event
from common.events import Envelope, Event
from common.events.base import CONTENT_TYPE
from common.events.hearers import BRIEF, HEARERS

Json = dict[str, Any]

INFO: Json = {
    "title": "Stoa events",
    "version": "1.0.0",
    "description": "What Stoa's services tell each other: CloudEvents 1.0 in structured mode on one topic exchange, "
    "the routing key being the event's type. A field may be added with a default; taking one away or changing its "
    "meaning is a new event type.",
}
SERVERS: Json = {"broker": {"host": "rabbitmq:5672", "protocol": "amqp", "description": "Reached from inside only"}}
AMQP = "0.3.0"
"""Version of the AMQP bindings of AsyncAPI."""


def describe() -> Json:
    """The whole document."""
    events = every_event()
    return {
        "asyncapi": "3.0.0",
        "info": INFO,
        "defaultContentType": CONTENT_TYPE,
        "servers": SERVERS,
        "channels": {name: _channel(name) for name in events},
        "operations": {**_said(events), **_heard(events)},
        "components": {
            "messages": {name: _message(name, kind) for name, kind in events.items()},
            "schemas": _schemas(events),
        },
    }


def _channel(name: str) -> Json:
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": AMQP}},
    }


def _message(name: str, kind: type[Event]) -> Json:
    own: Json = {
        "type": {"const": name},
        "source": {"const": kind.source},
        "dataversion": {"const": kind.dataversion},
        "data": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }
    return {
        "name": name,
        "title": kind.__name__,
        "summary": " ".join((inspect.getdoc(kind) or "").split()),
        "contentType": CONTENT_TYPE,
        "payload": {"allOf": [{"$ref": "#/components/schemas/Envelope"}, {"type": "object", "properties": own}]},
    }


def _said(events: dict[str, type[Event]]) -> Json:
    owners = {name: kind.source.removeprefix("/services/") for name, kind in events.items()}
    return {f"{owner}.says.{name}": _operation("send", owner, name) for name, owner in owners.items()}


def _heard(events: dict[str, type[Event]]) -> Json:
    """Each hearing with its queue; what is worth hearing for minutes only has one of its own."""
    found: Json = {}
    for hearers, queue in ((HEARERS, queue_name), (BRIEF, brief_queue_name)):
        for service, names in hearers.items():
            for name in sorted(events.keys() & set(names)):
                operation = _operation("receive", service, name)
                operation["bindings"] = {"amqp": {"ack": True, "bindingVersion": AMQP}}
                found[f"{service}.hears.{name}"] = operation | {"description": f"On the queue `{queue(service)}`."}
    return found


def _operation(action: str, service: str, name: str) -> Json:
    channel = f"#/channels/{name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"}],
        "tags": [{"name": service}],
    }


def _schemas(events: dict[str, type[Event]]) -> Json:
    models = [(kind, "serialization") for kind in (Envelope, *events.values())]
    _, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    return dict(sorted(schemas["$defs"].items()))
