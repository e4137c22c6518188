"""The operators' room: what an administrator may ask of every service, and do about what it could not handle."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from common.database import Sessions, retried
from common.dead_letters import MOST_UNACKED, DeadLetters
from common.errors import Unavailable
from common.fields import Body, UtcTime, View
from common.knocking import Admin, for_admins, from_state
from common.letters import LONGEST_ID
from common.outbox import Backlog, backlog, unpark
from common.pagination import MOST as MOST_SHOWN

log = structlog.get_logger(__name__)

SHOWN = 50
MOST_NAMED = 500
DEEPEST = MOST_UNACKED - MOST_SHOWN
"""As deep as one call can look."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID, strip_whitespace=False)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST_NAMED)]


class OutboxView(View):
    waiting: int = Field(description="Events committed and not yet confirmed by the broker")
    oldest_s: float | None = Field(description="Seconds that the oldest of them has waited")
    parked: int = Field(description="How many of them were refused ten times and wait for an operator")

    @classmethod
    def of(cls, waits: Backlog) -> Self:
        """Ages to the millisecond."""
        age = waits.age_s
        return cls(waiting=waits.waiting, oldest_s=age if age is None else round(age, 3), parked=waits.parked)


class OperationsView(View):
    service: str
    outbox: OutboxView | None = Field(description="Null for a service that says nothing")
    dead_letters: int | None = Field(
        description="Those that nobody has in hand; null for a service that hears nothing, and without the broker"
    )
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
    left: int = Field(description="How many come after the last one shown")
    results: list[DeadLetterView] = Field(validation_alias="letters")


class DeadLettersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST_SHOWN)] = SHOWN
    offset: Annotated[int, Field(ge=0, le=DEEPEST, description="How many of the oldest are passed over")] = 0


class Replay(Body):
    ids: Ids = Field(default_factory=list, description="All, if left out")


class Drop(Body):
    ids: Ids


class ReplayedView(View):
    replayed: int = Field(validation_alias="count")
    left: int


class RetriedView(View):
    retried: int = Field(description="How many events were parked")


class DroppedView(View):
    dropped: int = Field(validation_alias="count")
    left: int


@dataclass(frozen=True)
class Operations:
    """What a service can tell of itself; `sessions` are there if it says anything, and take nothing from its pool."""

    service: str
    letters: DeadLetters
    sessions: Sessions | None

    async def look(self) -> OperationsView:
        """The outbox, the dead letters, the broker. Without the broker the outbox is still told."""
        outbox = await asyncio.to_thread(self._outbox)
        try:
            dead = await self.letters.count()
        except Unavailable:
            return OperationsView(service=self.service, outbox=outbox, dead_letters=None, broker="away")
        return OperationsView(service=self.service, outbox=outbox, dead_letters=dead, broker="ok")

    async def retry(self, by: UUID) -> RetriedView:
        """Let what is parked in the outbox be sent again."""
        count = await asyncio.to_thread(self._unpark)
        log.info("outbox_retried", service=self.service, by=str(by), count=count)
        return RetriedView(retried=count)

    @retried
    def _unpark(self) -> int:
        if self.sessions is None:
            return 0
        with self.sessions.begin() as session:
            return unpark(session)

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


@router.post("/outbox/retry/", response_model=RetriedView)
async def retry(user: Admin, operations: OperationsDep) -> RetriedView:
    """Send again what the broker refused ten times, and with it what waits behind it."""
    return await operations.retry(user.id)


@router.get("/dead-letters/", response_model=DeadLettersView)
async def show_dead_letters(letters: LettersDep, query: Annotated[DeadLettersQuery, Query()]) -> DeadLettersView:
    """Events that the service could not handle, the oldest first; they stay where they are."""
    look = await letters.look(query.limit, query.offset)
    return await asyncio.to_thread(DeadLettersView.model_validate, look)


@router.post("/dead-letters/replay/", response_model=ReplayedView)
async def replay(user: Admin, letters: LettersDep, body: Replay) -> ReplayedView:
    """Let the service hear dead letters again: those named, or all. Each has its effect once at most."""
    return ReplayedView.model_validate(await letters.replay(body.ids, user.id))


@router.post("/dead-letters/drop/", response_model=DroppedView)
async def drop(user: Admin, letters: LettersDep, body: Drop) -> DroppedView:
    """Throw the named dead letters away for good; the log keeps who did it."""
    return DroppedView.model_validate(await letters.drop(body.ids, user.id))
