"""The operators' room: what an administrator may ask of every service, and do about what it could not handle."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from common.clock import now
from common.database import Sessions
from common.dead_letters import MOST, BrokerAway, DeadLetters
from common.fields import Body, UtcTime, View
from common.knocking import Admin, for_admins, from_state
from common.letters import LONGEST_ID
from common.outbox import Backlog, backlog
from common.pagination import MOST as MOST_SHOWN

SHOWN = 50

Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID, strip_whitespace=False)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST)]


class OutboxView(View):
    waiting: int = Field(description="Events committed and not yet confirmed by the broker")
    oldest_s: float | None = Field(description="Seconds that the oldest of them has waited")

    @classmethod
    def of(cls, waits: Backlog) -> Self:
        """Ages count from the commit's moment, and never below zero."""
        age = max(0.0, (now() - waits.oldest).total_seconds()) if waits.oldest else None
        return cls(waiting=waits.waiting, oldest_s=age if age is None else round(age, 3))


class OperationsView(View):
    service: str
    outbox: OutboxView | None = Field(description="Null for a service that says nothing")
    dead_letters: int | None = Field(description="Null for a service that hears nothing, and without the broker")
    broker: Literal["ok", "away"]


class DeadLetterView(View):
    id: str
    type: str | None
    time: UtcTime | None
    reason: str
    detail: str
    attempts: int
    died_at: UtcTime | None
    envelope: dict[str, Any] | str = Field(description="As text, a thousand characters of it, if it is no JSON object")


class DeadLettersView(View):
    count: int
    results: list[DeadLetterView] = Field(validation_alias="letters")


class DeadLettersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST_SHOWN)] = SHOWN


class Replay(Body):
    ids: Ids = Field(default_factory=list, description="All, if left out")


class Drop(Body):
    ids: Ids


class ReplayedView(View):
    replayed: int = Field(validation_alias="count")
    left: int


class DroppedView(View):
    dropped: int = Field(validation_alias="count")
    left: int


@dataclass(frozen=True)
class Operations:
    """What a service can tell of itself; `sessions` are there if it says anything."""

    service: str
    letters: DeadLetters
    sessions: Sessions | None

    async def look(self) -> OperationsView:
        """The outbox, the dead letters, the broker. Without the broker the outbox is still told."""
        outbox = await asyncio.to_thread(self._outbox)
        try:
            dead = await self.letters.count()
        except BrokerAway:
            return OperationsView(service=self.service, outbox=outbox, dead_letters=None, broker="away")
        return OperationsView(service=self.service, outbox=outbox, dead_letters=dead, broker="ok")

    def _outbox(self) -> OutboxView | None:
        if self.sessions is None:
            return None
        with self.sessions.begin() as session:
            return OutboxView.of(backlog(session))


router = APIRouter(prefix="/operations", tags=["operations"], dependencies=for_admins)

OperationsDep = Annotated[Operations, from_state("operations")]
LettersDep = Annotated[DeadLetters, from_state("dead_letters")]


@router.get("/", response_model=OperationsView)
async def show(operations: OperationsDep) -> OperationsView:
    """What waits in the outbox, and what could not be handled."""
    return await operations.look()


@router.get("/dead-letters/", response_model=DeadLettersView)
async def show_dead_letters(letters: LettersDep, query: Annotated[DeadLettersQuery, Query()]) -> DeadLettersView:
    """Events that the service could not handle, the oldest first; they stay where they are."""
    return DeadLettersView.model_validate(await letters.look(query.limit))


@router.post("/dead-letters/replay/", response_model=ReplayedView)
async def replay(user: Admin, letters: LettersDep, body: Replay) -> ReplayedView:
    """Let the service hear dead letters again: those named, or the oldest 500. Each has its effect once at most."""
    return ReplayedView.model_validate(await letters.replay(body.ids, user.id))


@router.post("/dead-letters/drop/", response_model=DroppedView)
async def drop(user: Admin, letters: LettersDep, body: Drop) -> DroppedView:
    """Throw the named dead letters away for good; the log keeps who did it."""
    return DroppedView.model_validate(await letters.drop(body.ids, user.id))
