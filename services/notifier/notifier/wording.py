"""What each event is worth saying by mail: to whom, under which subject, with which facts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.events import Event
from common.events.auth import UserRegistered
from common.events.catalog import ImportFinished
from common.events.orders import OrderCancelled, OrderEvent, OrderPlaced, OrderStatusChanged


@dataclass(frozen=True)
class Wording:
    """One mail before it has an address. `cause` names the event that it is about, however often that is heard."""

    type: str
    cause: str
    user_id: UUID
    subject: str
    data: dict[str, Any]


def word(event: Event) -> Wording | None:
    """The mail about an event, or None for one that nobody needs to read about."""
    return WORDINGS[type(event)](event)


def _welcome(event: UserRegistered) -> Wording:
    data = {"username": event.username}
    return Wording("welcome", f"user/{event.user_id}", event.user_id, "Welcome to Stoa", data)


def _confirmation(event: OrderPlaced) -> Wording:
    return _about_order(event, "order_confirmation", f"Your order {event.number}", {})


def _status(event: OrderStatusChanged) -> Wording:
    subject = f"Your order {event.number} is {event.status}"
    return _about_order(event, "order_status", subject, {"status": event.status, "previous": event.previous})


def _cancellation(event: OrderCancelled) -> Wording | None:
    if not event.was_placed:
        return None
    subject = f"Your order {event.number} is cancelled"
    return _about_order(event, "order_cancellation", subject, {"reason": event.reason})


def _import_finished(event: ImportFinished) -> Wording:
    data = event.model_dump(mode="json", exclude={"started_by", "version"})
    cause = f"import/{event.task_id}"
    return Wording("import_finished", cause, event.started_by, f"Your upload has {event.status}", data)


def _about_order(event: OrderEvent, kind: str, subject: str, more: dict[str, Any]) -> Wording:
    lines = [
        {
            "name": line.name,
            "quantity": line.quantity,
            "price": f"{line.price:.2f}",
            "sum": f"{line.price * line.quantity:.2f}",
        }
        for line in event.lines
    ]
    facts = {"number": event.number, "total": f"{event.total:.2f}", "currency": event.currency, "lines": lines}
    return Wording(kind, f"order/{event.order_id}/{event.version}", event.user_id, subject, facts | more)


WORDINGS: dict[type[Event], Callable[[Any], Wording | None]] = {
    UserRegistered: _welcome,
    OrderPlaced: _confirmation,
    OrderStatusChanged: _status,
    OrderCancelled: _cancellation,
    ImportFinished: _import_finished,
}
