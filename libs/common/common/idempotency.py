"""The idempotency keys' room: one row per key, claimed and finished in the database that holds the effect.

A key is scoped to user, method and path, and kept for a day. Whoever inserts the row owns the work; a row whose owner
has died or has freed it may be taken over, with the same resource id, so that the work is finished rather than doubled.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BINARY,
    Column,
    Dialect,
    Index,
    MetaData,
    SmallInteger,
    Table,
    and_,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT, Insert, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from common.clock import now
from common.database import TABLE_OPTIONS, UtcDateTime, Uuid, affected, new_metadata
from common.errors import Conflict, Invalid, KeyReused, Problem
from common.ids import new_id

KEEP = timedelta(hours=24)
LEASE = timedelta(seconds=60)
"""How long a running claim is left alone (design: reliability 3.1)."""
LONGEST_KEY = 255
PURGE_CHUNK = 1000


class Written(TypeDecorator[Any]):
    """JSON that comes back as it was written; MySQL's own type puts an object's names into another order."""

    impl = MEDIUMTEXT
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


idempotency_keys = Table(
    "idempotency_keys",
    new_metadata(),
    Column("scope", BINARY(32), primary_key=True),
    Column("fingerprint", BINARY(32), nullable=False),
    Column("owner", Uuid, nullable=False),
    Column("resource_id", Uuid, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("status", SmallInteger, nullable=True),
    Column("body", Written, nullable=True),
    Column("headers", Written, nullable=True),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
    **TABLE_OPTIONS,
)


def add_idempotency_keys(metadata: MetaData) -> None:
    """Give a service's metadata the table of keys."""
    idempotency_keys.to_metadata(metadata)


@dataclass(frozen=True)
class Claim:
    """A request for exactly one effect. `resource_id` is what the effect will be known by.

    One that is not new may have been begun before, by this request or by the one whose work it takes over.
    """

    scope: bytes
    fingerprint: bytes
    owner: UUID = field(default_factory=new_id)
    resource_id: UUID = field(default_factory=new_id)
    is_new: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Answer:
    """What a request was answered with, as it is stored and replayed."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    replayed: bool = False


def check_key(key: str | None) -> str | None:
    """The client's key, or None. Raises Invalid unless it is 1 to 255 printable ASCII characters."""
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Invalid("Idempotency-Key takes 1 to 255 printable ASCII characters", code="invalid_idempotency_key")
    return key


def new_claim(key: str | None, holder: str, route: str, body: Any) -> Claim:
    """The claim of one request; without a client's key it is one of its own, so that every request walks one path.

    `body` is the validated body as JSON-ready data; its canonical form is what a repeated key is compared by.
    """
    words = key if key is not None else f"internal:{new_id()}"
    scope = hashlib.sha256("\0".join((holder, route, words)).encode()).digest()
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return Claim(scope, hashlib.sha256(canonical.encode()).digest())


def claim_all(session: Session, claims: Sequence[Claim]) -> list[Claim | Answer | Problem]:
    """Claim each, in the caller's transaction: the claim to work under, the stored answer, or why neither.

    A claim that comes back may carry another resource id than it went in with: that of the work it takes over.
    """
    moment = now()
    rows = [
        {
            "scope": c.scope,
            "fingerprint": c.fingerprint,
            "owner": c.owner,
            "resource_id": c.resource_id,
            "lease_until": moment + LEASE,
            "expires_at": moment + KEEP,
        }
        for c in sorted(claims, key=lambda c: c.scope)
    ]
    if affected(session.execute(insert(idempotency_keys).prefix_with("IGNORE"), rows)) == len(rows):
        return list(claims)
    found = session.execute(select(idempotency_keys).where(idempotency_keys.c.scope.in_([c.scope for c in claims])))
    by_scope = {row.scope: row for row in found}
    return [_decide(session, claim, by_scope[claim.scope], moment) for claim in claims]


def claim_one(session: Session, claim: Claim) -> Claim | Answer:
    """As `claim_all` for one request; raises the Problem."""
    outcome = claim_all(session, [claim])[0]
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


def _decide(session: Session, claim: Claim, row: Any, moment: datetime) -> Claim | Answer | Problem:
    if row.fingerprint != claim.fingerprint:
        return KeyReused("this Idempotency-Key was used with another body; take a new key")
    if row.status is not None:
        return Answer(row.status, row.body, row.headers or {}, replayed=row.owner != claim.owner)
    if row.owner == claim.owner:
        return replace(claim, resource_id=row.resource_id, is_new=False)
    if row.lease_until > moment or not _take_over(session, claim, row, moment):
        return _in_progress()
    return replace(claim, resource_id=row.resource_id, is_new=False)


def _in_progress() -> Conflict:
    sentence = "a request with this Idempotency-Key is still being worked on"
    return Conflict(sentence, code="idempotency_in_progress", headers={"Retry-After": "1"})


def _take_over(session: Session, claim: Claim, row: Any, moment: datetime) -> bool:
    keys = idempotency_keys
    mine = and_(keys.c.scope == claim.scope, keys.c.owner == row.owner, keys.c.status.is_(None))
    taken = update(keys).where(mine).values(owner=claim.owner, lease_until=moment + LEASE)
    return affected(session.execute(taken)) == 1


def finish(session: Session, claim: Claim, answer: Answer) -> None:
    """Store the answer, in the transaction of the effect.

    Raises Conflict when the work has been taken over in the meantime: then the effect must not happen a second time.
    """
    keys = idempotency_keys
    mine = and_(keys.c.scope == claim.scope, keys.c.owner == claim.owner, keys.c.status.is_(None))
    stored = {"status": answer.status, "body": answer.body, "headers": answer.headers, "expires_at": now() + KEEP}
    if affected(session.execute(update(keys).where(mine).values(stored))) != 1:
        raise _in_progress()


def _storing() -> Insert:
    """The answer onto the row that the claim holds; a statement that is compiled once."""
    keys, stored = idempotency_keys.c, insert(idempotency_keys)
    mine = and_(keys.owner == stored.inserted.owner, keys.status.is_(None))
    names = ("body", "headers", "expires_at", "status")  # set in this order, so `status`, which decides, comes last
    return stored.on_duplicate_key_update([(n, func.if_(mine, stored.inserted[n], keys[n])) for n in names])


_store = _storing()


def finish_all(session: Session, answers: Sequence[tuple[Claim, Answer]]) -> None:
    """Store many answers in one statement; one stored already or taken over stays as it is."""
    if not answers:
        return
    moment = now()
    rows = [
        {
            "scope": claim.scope,
            "fingerprint": claim.fingerprint,
            "owner": claim.owner,
            "resource_id": claim.resource_id,
            "lease_until": moment,
            "expires_at": moment + KEEP,
            "status": answer.status,
            "body": answer.body,
            "headers": answer.headers,
        }
        for claim, answer in sorted(answers, key=lambda pair: pair[0].scope)
    ]
    session.execute(_store, rows)


def finish_scope(session: Session, scope: bytes, resource_id: UUID, answer: Answer) -> None:
    """Store the answer to work that is settled by somebody else than the claim's owner."""
    keys = idempotency_keys
    session.execute(
        update(keys)
        .where(keys.c.scope == scope, keys.c.resource_id == resource_id, keys.c.status.is_(None))
        .values(status=answer.status, body=answer.body, headers=answer.headers, expires_at=now() + KEEP)
    )


def known(session: Session, claim: Claim) -> bool:
    """Whether the key has been claimed before."""
    keys = idempotency_keys
    return session.scalar(select(keys.c.owner).where(keys.c.scope == claim.scope)) is not None


def free(session: Session, claims: Sequence[Claim]) -> None:
    """Let the next request with these keys take the work over at once (after a 5xx)."""
    session.execute(
        update(idempotency_keys)
        .where(
            idempotency_keys.c.scope.in_([c.scope for c in claims]),
            idempotency_keys.c.owner.in_([c.owner for c in claims]),
            idempotency_keys.c.status.is_(None),
        )
        .values(lease_until=now())
    )


def forget(session: Session, claim: Claim) -> None:
    """Drop a claim under which nothing was begun, as if the key had never been sent."""
    keys = idempotency_keys
    mine = and_(keys.c.scope == claim.scope, keys.c.owner == claim.owner, keys.c.status.is_(None))
    session.execute(delete(keys).where(mine))


def purge(session: Session) -> int:
    """Drop one chunk of expired, finished keys; how many were dropped."""
    keys = idempotency_keys
    old = delete(keys).where(keys.c.expires_at < now(), keys.c.status.is_not(None))
    return affected(session.execute(old.with_dialect_options(mysql_limit=PURGE_CHUNK)))
