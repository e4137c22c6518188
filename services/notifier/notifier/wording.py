"""What each event is worth saying by mail: to whom, under which subject, with which facts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from common.events import Event
from common.events.auth import (
    ChallengeRequested,
    OtpRequested,
    PasswordResetRequested,
    SessionsRevoked,
    UserRegistered,
    UserUpdated,
)
from common.events.catalog import ImportFinished, ProductLowStock
from common.events.orders import OrderCancelled, OrderEvent, OrderPlaced, OrderStatusChanged
from notifier.models import NOBODY

ADMINISTRATORS = UUID(int=1)
"""In the place of a mail's user: one goes to each of them."""
LONGEST_TITLE = 100
"""Signs of a product's name in a subject; the whole name stands in the mail."""


@dataclass(frozen=True)
class Wording:
    """One mail before it has an address. `cause` names the event that it is about, however often that is heard.

    `email` is where it goes when that is not the address the user has now. With a `challenge_id` it is to hold a
    secret, for which auth is asked when the mail is written.
    """

    type: str
    cause: str
    user_id: UUID
    subject: str
    data: dict[str, Any]
    email: str | None = None
    challenge_id: UUID | None = None
    trace: str | None = None
    """The traceparent under which the event was heard."""


def word(event: Event) -> Sequence[Wording]:
    """The mails about an event; none for one that nobody needs to read about."""
    return WORDINGS[type(event)](event)


def at_the_clock(moment: datetime) -> str:
    """A time as people read it."""
    return f"{moment.astimezone(UTC):%H:%M UTC on %d %B %Y}"


def _welcome(event: UserRegistered) -> Sequence[Wording]:
    cause, data = f"user/{event.user_id}", {"username": event.username}
    return [Wording("welcome", cause, event.user_id, "Welcome to Stoa", data, challenge_id=event.challenge_id)]


def _updated(event: UserUpdated) -> Sequence[Wording]:
    return [*_check_of_address(event), *_notice_to_previous_address(event)]


def _check_of_address(event: UserUpdated) -> Sequence[Wording]:
    if event.challenge_id is None:
        return []
    cause, subject = f"user/{event.user_id}/{event.version}", "Check your new address"
    return [Wording("email_check", cause, event.user_id, subject, {}, event.email, event.challenge_id)]


def _notice_to_previous_address(event: UserUpdated) -> Sequence[Wording]:
    if event.previous_email is None:
        return []
    cause, data = f"user/{event.user_id}/{event.version}", {"address": event.email}
    subject = "Your address was changed"
    return [Wording("email_changed", cause, event.user_id, subject, data, event.previous_email)]


def _code(event: OtpRequested) -> Sequence[Wording]:
    return _for_whoever_asked(event, "one_time_code", "Your sign-in code")


def _password_reset(event: PasswordResetRequested) -> Sequence[Wording]:
    return _for_whoever_asked(event, "password_reset", "Set a new password")


def _for_whoever_asked(event: ChallengeRequested, kind: str, subject: str) -> Sequence[Wording]:
    cause, data = f"challenge/{event.challenge_id}", {"expires_at": event.expires_at.isoformat()}
    return [Wording(kind, cause, NOBODY, subject, data, "", event.challenge_id)]


def _revoked(event: SessionsRevoked) -> Sequence[Wording]:
    if event.reason not in REVOCATIONS:
        return []
    kind, subject = REVOCATIONS[event.reason]
    cause, data = f"user/{event.user_id}/{event.version}", {"at": at_the_clock(event.at), "reason": event.reason}
    return [Wording(kind, cause, event.user_id, subject, data)]


def _confirmation(event: OrderPlaced) -> Sequence[Wording]:
    return _about_order(event, "order_confirmation", f"Your order {event.number}", {})


def _status(event: OrderStatusChanged) -> Sequence[Wording]:
    if event.status == event.previous:  # only its tracking has changed
        return []
    subject = f"Your order {event.number} is {event.status}"
    return _about_order(event, "order_status", subject, {"status": event.status, "previous": event.previous})


def _cancellation(event: OrderCancelled) -> Sequence[Wording]:
    if not event.was_placed:
        return []
    subject = f"Your order {event.number} is cancelled"
    return _about_order(event, "order_cancellation", subject, {"reason": event.reason})


def _import_finished(event: ImportFinished) -> Sequence[Wording]:
    data = event.model_dump(mode="json", exclude={"started_by", "version"})
    cause = f"import/{event.task_id}/{event.version}"
    return [
        Wording("import_finished", cause, event.started_by, f"Your upload {ENDS.get(event.status, event.status)}", data)
    ]


def _low_stock(event: ProductLowStock) -> Sequence[Wording]:
    cause = f"product/{event.product_id}/{event.version}"
    data = {"product_id": event.product_id, "sku": event.sku, "product": event.name, "stock": event.stock}
    state = "is running low" if event.stock > 0 else "is sold out"
    title = event.name if len(event.name) <= LONGEST_TITLE else f"{event.name[: LONGEST_TITLE - 1]}…"
    return [Wording("low_stock", cause, ADMINISTRATORS, f"{title} {state}", data)]


def _about_order(event: OrderEvent, kind: str, subject: str, more: dict[str, Any]) -> Sequence[Wording]:
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
    return [Wording(kind, f"order/{event.order_id}/{event.version}", event.user_id, subject, facts | more)]


PURPOSES = {
    "welcome": "email_check",
    "email_check": "email_check",
    "one_time_code": "sign_in",
    "password_reset": "password_reset",
}
"""What the secret of a mail is for, by the mail's type; auth's words."""

URGENT = ("one_time_code", "password_reset")
"""Types of mails that somebody sits and waits for."""

FOR_ONE_ADDRESS = ("email_changed",)
"""Types of mails for an address that may no longer be the user's: it is told of just that."""

REVOCATIONS = {
    "password_changed": ("password_changed", "Your password was changed"),
    "password_reset": ("password_changed", "Your password was changed"),
    "refresh_reused": ("session_ended", "A session was ended"),
}
"""Type and subject by the reason for which sessions were ended; of all others the user knows without a mail."""

ENDS = {"finished": "has finished", "failed": "has failed", "cancelled": "was cancelled"}
"""How an upload has come to its end, in words."""

WORDINGS: dict[type[Event], Callable[[Any], Sequence[Wording]]] = {
    UserRegistered: _welcome,
    UserUpdated: _updated,
    OtpRequested: _code,
    PasswordResetRequested: _password_reset,
    SessionsRevoked: _revoked,
    OrderPlaced: _confirmation,
    OrderStatusChanged: _status,
    OrderCancelled: _cancellation,
    ImportFinished: _import_finished,
    ProductLowStock: _low_stock,
}
