"""The event door of notifier: whatever is heard becomes queued mails, and deliveries to integrators."""

from collections.abc import Callable, Sequence

from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from common.consumer import Handle, envelopes
from common.events import Event
from notifier.hooks.telling import queue_deliveries
from notifier.queueing import queue_mails


def hearing(hurry: Callable[[], None]) -> Handle:
    """Takes a whole batch: addresses are looked up once and mails are queued in one statement.

    `hurry` is told of urgent ones as soon as they can be seen, not before, when looking for them would find nothing.
    """

    def hear(session: Session, events: Sequence[Event]) -> None:
        if queue_mails(session, events):
            listen(session, "after_commit", lambda _: hurry(), once=True)
        queue_deliveries(session, envelopes(session))

    return hear
