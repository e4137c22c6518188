"""Dropping what is past its keeping time."""

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, or_
from sqlalchemy.orm import DeclarativeBase

from auth.guessing import DAY
from auth.models import Challenge, Guesses, RefreshToken, UserSession
from common.clock import now
from common.database import Sessions, affected, retried
from common.outbox import outbox, purge

CHUNK = 1000
CHALLENGES_KEPT = timedelta(hours=2)
"""Beyond their life: those of the last hour are counted."""
MANY = 20
MANY_KEPT = timedelta(days=30)
"""So many failures are not forgiven because the guesser rests for a day."""


def tidy(sessions: Sessions) -> None:
    """Drop it a chunk at a time: sent events, expired refresh tokens and sessions, old challenges and guesses."""
    while _tidy_chunk(sessions):
        continue


@retried
def _tidy_chunk(sessions: Sessions) -> bool:
    moment = now()
    old: dict[type[DeclarativeBase], ColumnElement[bool]] = {
        RefreshToken: RefreshToken.expires_at < moment,
        UserSession: UserSession.expires_at < moment,
        Challenge: Challenge.expires_at < moment - CHALLENGES_KEPT,
        Guesses: or_(
            Guesses.updated_at < moment - MANY_KEPT, and_(Guesses.updated_at < moment - DAY, Guesses.failures < MANY)
        ),
    }
    with sessions.begin() as session:
        dropped = [purge(session, outbox)]
        for table, is_old in old.items():
            chunk = delete(table).where(is_old).with_dialect_options(mysql_limit=CHUNK)
            dropped.append(affected(session.execute(chunk)))
    return max(dropped) >= CHUNK
