"""The envelope's room: CloudEvents 1.0 attribute names around one owner's event."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict

from common.clock import now
from common.ids import new_id

CONTENT_TYPE = "application/cloudevents+json"
KNOWN: dict[str, "type[Event]"] = {}


class Event(BaseModel):
    """Something that has happened, told by the service that owns it. Unknown extra fields are ignored when heard."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str] = ""
    source: ClassVar[str] = ""
    about: ClassVar[str] = ""
    """The field that names the aggregate."""
    dataversion: ClassVar[int] = 1

    @property
    def subject(self) -> str:
        """The aggregate that the event is about; order is kept within a subject."""
        return str(getattr(self, self.about))

    @property
    def sequence(self) -> int:
        """The aggregate's `version` after the event; 1 of one that is spoken of once and has none."""
        version: int = getattr(self, "version", 1)
        return version

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.type:
            KNOWN[cls.type] = cls


class Envelope(BaseModel):
    """An event as it travels (CloudEvents 1.0, structured mode)."""

    specversion: str = "1.0"
    id: UUID
    type: str
    source: str
    time: datetime
    subject: str
    dataversion: int = 1
    sequence: int
    traceparent: str | None = None
    data: dict[str, Any]

    @staticmethod
    def write(event: Event, event_id: UUID, moment: datetime, traceparent: str | None) -> str:
        """What `encode` would come to for this event, without the making of an envelope; it is done for each row of a
        large upload."""
        attributes = {
            "specversion": "1.0",
            "id": str(event_id),
            "type": event.type,
            "source": event.source,
            "time": moment,
            "subject": event.subject,
            "dataversion": event.dataversion,
            "sequence": event.sequence,
            **({} if traceparent is None else {"traceparent": traceparent}),
            "data": event.model_dump(mode="json"),
        }
        return orjson.dumps(attributes, option=orjson.OPT_UTC_Z).decode()

    @classmethod
    def of(cls, event: Event) -> Self:
        """A new envelope around an event that is said now."""
        return cls(
            id=new_id(),
            type=event.type,
            source=event.source,
            time=now(),
            subject=event.subject,
            dataversion=event.dataversion,
            sequence=event.sequence,
            data=event.model_dump(mode="json"),
        )

    def encode(self) -> bytes:
        """The bytes of the message's body."""
        return orjson.dumps(self.model_dump(mode="json", exclude_none=True))


def registered() -> Mapping[str, type[Event]]:
    """Every event type that has been defined, by its name."""
    return MappingProxyType(KNOWN)


def decode(body: bytes) -> Envelope:
    """The envelope in a message's body; ValueError if it is none."""
    return Envelope.model_validate_json(body)
