"""The event door of cart: catalog's products and the orders that were placed."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from cart.copying import keep_copies
from cart.usecases import take_out_ordered
from common.events import Event
from common.events.catalog import ProductEvent
from common.events.orders import OrderPlaced


def hear(session: Session, events: Sequence[Event]) -> None:
    """A batch at once: an import changes thousands of products, which are written in one statement."""
    keep_copies(session, [event for event in events if isinstance(event, ProductEvent)])
    take_out_ordered(session, [event for event in events if isinstance(event, OrderPlaced)])
