"""The event door of catalog: what becomes of the orders that hold stock."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from catalog.settling import TooEarly, settle
from common.consumer import Handle, NotYet
from common.events import Event


def hearing(currency: str) -> Handle:
    """The handler of a batch, whole: its products are locked in order of their ids and written in one statement."""

    def hear(session: Session, events: Sequence[Event]) -> None:
        try:
            settle(session, events, currency)
        except TooEarly as error:
            raise NotYet(str(error)) from error

    return hear
