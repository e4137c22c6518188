"""The outbox's and inbox's room: what a service says leaves with its commit, what it hears counts once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common import tracing
from common.bulk import insert_rows
from common.clock import now
from common.database import TABLE_OPTIONS, LostRace, UtcDateTime, Uuid, affected, new_metadata
from common.events import Envelope, Event
from common.ids import new_id

SAID = "said"
"""Key in `session.info`: this transaction has put something into the outbox."""
KEEP_SENT = timedelta(days=7)
KEEP_HEARD = timedelta(days=14)
"""How long sent rows and inbox rows stay (design: reliability 3.3 and D8)."""
PURGE_CHUNK = 1000
FEW = 20
"""Events that are entered one by one; more travel as one document."""
ROW = ("event_id", "type", "subject", "sequence", "envelope")

_own = new_metadata()

outbox = Table(
    "outbox",
    _own,
    Column("seq", BigInteger, primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("type", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("envelope", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime, nullable=True),
    Column("parked_at", UtcDateTime, nullable=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index("ix_outbox_unsent", "published_at", "parked_at", "seq"),
    **TABLE_OPTIONS,
)

inbox = Table(
    "inbox",
    _own,
    Column("event_id", Uuid, primary_key=True),
    Column("type", String(64), nullable=False),
    Column("heard_at", UtcDateTime, nullable=False, index=True),
    **TABLE_OPTIONS,
)


_enter = insert(outbox).values(envelope=bindparam("envelope", type_=Text))


def add_outbox(metadata: MetaData) -> None:
    """Give a service's metadata the outbox table."""
    outbox.to_metadata(metadata)


def add_inbox(metadata: MetaData) -> None:
    """Give a service's metadata the inbox table."""
    inbox.to_metadata(metadata)


def say(session: Session, *events: Event, traces: Sequence[str | None] = ()) -> None:
    """Put events into the outbox within the caller's transaction; the commit sends them on their way.

    Each keeps the traceparent of what it comes from: of the request at hand, or its own of `traces`.
    """
    if not events:
        return
    moment = now()
    kept = traces or [tracing.at_hand()] * len(events)
    rows = [_row(event, moment, trace) for event, trace in zip(events, kept, strict=True)]
    if len(rows) > FEW:
        insert_rows(session, outbox, ROW, rows, created_at=moment, attempts=0)
    else:
        session.execute(_enter, [dict(zip(ROW, row, strict=True)) | {"created_at": moment} for row in rows])
    session.info[SAID] = True


def _row(event: Event, moment: datetime, trace: str | None) -> tuple[Any, ...]:
    """Values of the columns in ROW; the envelope is written as text once, whatever takes it to the table."""
    event_id = new_id()
    envelope = Envelope.write(event, event_id, moment, trace)
    return (event_id, event.type, event.subject, event.sequence, envelope)


class Unsent(NamedTuple):
    """A row that waits for the broker."""

    seq: int
    event_id: UUID
    type: str
    subject: str
    attempts: int
    envelope: str


_unsent = [type_coerce(outbox.c[name], Text) if name == "envelope" else outbox.c[name] for name in Unsent._fields]


def unsent(session: Session, limit: int, resting: Collection[str] = ()) -> list[Unsent]:
    """The oldest rows still to be sent; subjects that are resting or have a parked row wait."""
    parked = select(outbox.c.subject).where(outbox.c.published_at.is_(None), outbox.c.parked_at.is_not(None))
    rows = session.execute(
        select(*_unsent)
        .where(outbox.c.published_at.is_(None), outbox.c.parked_at.is_(None))
        .where(outbox.c.subject.not_in(parked), outbox.c.subject.not_in(list(resting)))
        .order_by(outbox.c.seq)
        .limit(limit)
    )
    return [Unsent(*row) for row in rows]


class Backlog(NamedTuple):
    """What the broker has not confirmed yet: rows, when the oldest was said, and how many of them are parked."""

    waiting: int
    oldest: datetime | None
    parked: int

    @property
    def age_s(self) -> float | None:
        """Seconds since the oldest was said, never below zero; None if nothing waits."""
        return max(0.0, (now() - self.oldest).total_seconds()) if self.oldest else None


def backlog(session: Session) -> Backlog:
    """How much waits in the outbox."""
    wanted = select(func.count(), func.min(outbox.c.created_at), func.count(outbox.c.parked_at))
    return Backlog(*session.execute(wanted.where(outbox.c.published_at.is_(None))).one())


def unpark(session: Session) -> int:
    """Let parked rows be tried again; how many. They count as refused once, and so go after what was never refused."""
    parked = outbox.c.published_at.is_(None), outbox.c.parked_at.is_not(None)
    return affected(session.execute(update(outbox).where(*parked).values(parked_at=None, attempts=1)))


def mark_sent(session: Session, seqs: Iterable[int]) -> None:
    """Note that the broker has confirmed these rows."""
    session.execute(update(outbox).where(outbox.c.seq.in_(list(seqs))).values(published_at=now()))


def mark_failed(session: Session, seqs: Sequence[int], park_after: int) -> None:
    """Count a failed try; a row that has failed `park_after` times is parked for an operator."""
    session.execute(update(outbox).where(outbox.c.seq.in_(seqs)).values(attempts=outbox.c.attempts + 1))
    session.execute(
        update(outbox).where(outbox.c.seq.in_(seqs), outbox.c.attempts >= park_after).values(parked_at=now())
    )


def first_time(session: Session, events: Sequence[tuple[UUID, str]]) -> set[UUID]:
    """Enter events (id, type) into the inbox; the ids that were not there before.

    Nearly always none was, so they are entered at once and looked up only when that fails. Raises LostRace when another
    transaction has entered one of them at the same moment.
    """
    fresh = dict(events)
    if not _entered(session, fresh):
        known = session.scalars(select(inbox.c.event_id).where(inbox.c.event_id.in_(fresh)))
        fresh = {event_id: fresh[event_id] for event_id in fresh.keys() - set(known)}
        if not _entered(session, fresh):
            raise LostRace("another consumer has just heard one of these events")
    return set(fresh)


def _entered(session: Session, events: Mapping[UUID, str]) -> bool:
    """Enter all of them, or none if one is there: they go in one statement, which the server takes back whole."""
    moment = now()
    rows = [{"event_id": i, "type": kind, "heard_at": moment} for i, kind in sorted(events.items())]
    try:
        if rows:
            session.execute(insert(inbox), rows)
    except IntegrityError:
        return False
    return True


def purge(session: Session, table: Table) -> int:
    """Drop one chunk of an outbox's or inbox's rows that are past their keeping time; how many were dropped."""
    done = table.c.published_at if table is outbox else table.c.heard_at
    keep = KEEP_SENT if table is outbox else KEEP_HEARD
    old = delete(table).where(done < now() - keep).with_dialect_options(mysql_limit=PURGE_CHUNK)
    return affected(session.execute(old))
