"""Comparing the administrators whom notifier knows with auth's, and mending what differs.

Each change is told by an event. What none tells is who was an administrator before events said so, and what was lost
with a queue or a backup's last hours.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from sqlalchemy import select, update

from common.database import Sessions, affected, retried
from common.errors import Unavailable
from notifier.clients import Accounts, Administrator
from notifier.models import Recipient
from notifier.recipients import IS_ADMIN, learn

log = structlog.get_logger(__name__)

CHUNK = 1000
"""Users of whom it becomes known in one transaction that they are no administrators."""
QUIETLY = {"synchronize_session": False}


def compare_administrators(sessions: Sessions, accounts: Accounts) -> None:
    """Compare, and mend; without an answer of auth all stays as it is.

    The copy is looked at before auth is asked: what an event has changed since then is newer than the answer.
    """
    seen = known_administrators(sessions)
    try:
        told = accounts.administrators()
    except Unavailable as error:
        log.info("comparing_waits", error=error.detail)
        return
    _mend(sessions, seen, told)
    while _settle(sessions, [admin.user_id for admin in told]) == CHUNK:
        continue


def known_administrators(sessions: Sessions) -> Mapping[UUID, int]:
    """Administrators as the copy has them, with the version of each."""
    with sessions.begin() as session:
        found = session.execute(select(Recipient.user_id, Recipient.version).where(IS_ADMIN))
        return {row.user_id: row.version for row in found}


@retried
def _mend(sessions: Sessions, seen: Mapping[UUID, int], told: Sequence[Administrator]) -> None:
    missing = [admin for admin in told if admin.version > seen.get(admin.user_id, -1)]
    gone = [(user_id, version) for user_id, version in seen.items() if user_id not in {each.user_id for each in told}]
    if not missing and not gone:
        return
    with sessions.begin() as session:
        learn(session, missing)
        for user_id, version in gone:
            as_seen = (Recipient.user_id == user_id, Recipient.version == version)
            session.execute(update(Recipient).where(*as_seen).values(is_admin=False), execution_options=QUIETLY)
    log.info("administrators_mended", missing=len(missing), gone=len(gone))


@retried
def _settle(sessions: Sessions, admins: Sequence[UUID]) -> int:
    """Of those of whom nobody had told, all others are none; how many that were, a chunk at most."""
    others = update(Recipient).where(Recipient.is_admin.is_(None), Recipient.user_id.not_in(admins))
    with sessions.begin() as session:
        settled = others.values(is_admin=False).with_dialect_options(mysql_limit=CHUNK)
        return affected(session.execute(settled, execution_options=QUIETLY))
