"""The event door of notifier: whatever is heard becomes queued mails, and deliveries to integrators."""

from collections.abc import Callable, Sequence

from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from common.consumer import Handle, NotYet
from common.database import Sessions
from common.events import Event
from common.heard import envelopes, traces
from notifier.hooks.telling import queue_deliveries, queue_deliveries_apart
from notifier.queueing import queue_mails


def hearing(sessions: Sessions, hurry: Callable[[], None]) -> Handle:
    """Takes a whole batch: addresses are looked up once and mails are queued in one statement. It tells whether there
    is something for integrators, too.

    `hurry` is told of urgent ones as soon as they can be seen, not before, when looking for them would find nothing.
    Integrators are told even if a mail has to wait until its recipient has been heard of.
    """

    def hear(session: Session, events: Sequence[Event]) -> bool:
        try:
            is_urgent = queue_mails(session, events, traces(session))
        except NotYet:
            queue_deliveries_apart(sessions, envelopes(session))
            raise
        if is_urgent:
            listen(session, "after_commit", lambda _: hurry(), once=True)
        return queue_deliveries(session, envelopes(session))

    return hear
