"""The resuming room: what a service does when its schema has come back from a backup, before it is started again.

The broker was emptied: what it held is newer than the schemas, or was on its way when the backup was made and is in
none of them. So all that the outbox still keeps is sent once more. Who has heard it knows so by the inbox, which came
back with the same backup, and each effect stays one; but inboxes forget by the clock, which has gone on.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.orm import Session

from common.checking import STATEMENT_S
from common.clock import now
from common.commands import Command
from common.database import affected, opened
from common.outbox import inbox, outbox
from common.settings import Settings

More = Callable[[Session], object]


def resume_command(settings: Callable[[], Settings], *more: More, says: bool = False, hears: bool = False) -> Command:
    """The word by which a service goes on after a restore; `more` is what it alone has to see to.

    It is for the time while the service does not run.
    """
    work = partial(_resume, settings, more, says=says, hears=hears)
    return Command("resume", "go on with a schema that has come back from a backup", work)


def _resume(
    settings: Callable[[], Settings], more: tuple[More, ...], *, says: bool, hears: bool
) -> tuple[list[str], int]:
    with opened(settings().database_url, STATEMENT_S) as (_, sessions), sessions.begin() as session:
        lines = [f"{say_again(session)} events are sent once more"] if says else []
        if hears:
            stay_awake(session)
        for step in more:
            step(session)
    return lines or ["ready"], 0


def say_again(session: Session) -> int:
    """Let everything that the outbox keeps be sent, as if it never had been; how many events."""
    said = or_(outbox.c.published_at.is_not(None), outbox.c.parked_at.is_not(None), outbox.c.attempts > 0)
    fresh = {"published_at": None, "parked_at": None, "attempts": 0}
    session.execute(update(outbox).where(said).values(fresh))
    return session.scalar(select(func.count()).select_from(outbox)) or 0


def stay_awake(session: Session) -> int:
    """Let the inbox keep what it knows for as long as it would have, had the clock stood still; how many rows.

    Else a backup of last week is soon forgetting what it heard, while the senders of that begin anew.
    """
    last = session.scalar(select(func.max(inbox.c.heard_at)))
    if last is None:
        return 0
    shift = text("heard_at + INTERVAL :gone MICROSECOND").bindparams(gone=(now() - last) // timedelta(microseconds=1))
    return affected(session.execute(update(inbox).values(heard_at=shift)))
