"""The letters' room: a dead letter as an operator reads it, whoever declared it dead and whatever is in it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from common.events import Envelope, decode

ATTEMPT = "x-attempt"
REASON = "x-reason"
DETAIL = "x-detail"
QUEUE = "x-queue"
DEAD_AT = "x-dead-at"
DELIVERIES = "x-delivery-count"
DEATHS = "x-death"
"""What RabbitMQ itself writes of each queue that a message has left unread, the last first."""
LONGEST_ID = 255
"""As AMQP 0-9-1 limits the message-id (short string)."""
LONGEST_TEXT = 1000
"""Characters that are shown of a body that is no JSON object."""
BEGIN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Letter:
    """A message in the dead-letter queue. `id` is the event's; that of the message, or of its bytes, where there is no
    event to be found in it."""

    message: AbstractIncomingMessage
    id: str
    type: str | None
    time: datetime | None
    reason: str
    detail: str
    attempts: int
    died_at: datetime | None

    @cached_property
    def envelope(self) -> dict[str, Any] | str:
        """The body, read when somebody wants to see it."""
        return _shown(self.message.body)

    @property
    def deliveries(self) -> int:
        """How often the broker has handed it out and got it back."""
        return _whole(self.message.headers.get(DELIVERIES))


@dataclass(frozen=True)
class Look:
    """How many letters there are, some of them in order, and how many come after these."""

    count: int
    left: int
    letters: Sequence[Letter]


@dataclass(frozen=True)
class Done:
    """How many letters were parted with, and how many of those that were there are left."""

    count: int
    left: int


def read_letters(messages: Iterable[AbstractIncomingMessage]) -> Sequence[Letter]:
    """The messages as letters, the one that died first at the begin."""
    return sorted(map(_read, messages), key=lambda letter: letter.died_at or BEGIN)


def _read(message: AbstractIncomingMessage) -> Letter:
    """What can be told of a message; of one that the consumer did not bury, what the broker has noted."""
    envelope, headers = _event(message.body), message.headers
    death = _last_death(headers)
    return Letter(
        message=message,
        id=str(envelope.id) if envelope else _name(message),
        type=envelope.type if envelope else None,
        time=_utc(envelope.time) if envelope else None,
        reason=str(headers.get(REASON) or death.get("reason") or "unknown"),
        detail=str(headers.get(DETAIL) or ""),
        attempts=_whole(headers.get(ATTEMPT)) + 1,
        died_at=_moment(headers.get(DEAD_AT) or death.get("time")),
    )


def kept_headers(letter: Letter) -> dict[str, Any]:
    """The headers of a copy that stays a dead letter and that the broker has never handed out."""
    told = {REASON: letter.reason, DETAIL: letter.detail}
    died = {DEAD_AT: letter.died_at.isoformat()} if letter.died_at else {}
    of_ours = {name: letter.message.headers[name] for name in (ATTEMPT, QUEUE) if name in letter.message.headers}
    return of_ours | told | died


def _event(body: bytes) -> Envelope | None:
    try:
        return decode(body)
    except ValidationError:
        return None


def _name(message: AbstractIncomingMessage) -> str:
    told = message.message_id
    if isinstance(told, str) and 0 < len(told) <= LONGEST_ID:
        return told
    return f"sha256:{hashlib.sha256(message.body).hexdigest()}"


def _shown(body: bytes) -> dict[str, Any] | str:
    """The body as an object, if it is one that can be answered with; else the begin of it as text."""
    try:
        found = from_json(body, allow_inf_nan=False)
        if isinstance(found, dict):
            to_json(found)
            return found
    except ValueError:  # of a number with too many digits, too
        pass
    return body[: 4 * LONGEST_TEXT].decode("utf-8", "replace")[:LONGEST_TEXT]


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get(DEATHS)
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return last if isinstance(last, Mapping) else {}


def _moment(told: Any) -> datetime | None:
    if isinstance(told, datetime):
        return _utc(told)
    try:
        return _utc(datetime.fromisoformat(str(told)))
    except ValueError:
        return None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _whole(counted: Any) -> int:
    return counted if isinstance(counted, int) else 0
