"""Whether what was ordered is what was sold, once nothing is on its way any more."""

import time

from sqlalchemy import Engine, Select, func, select

from catalog.models import HELD, products, reservations
from common.outbox import outbox
from measuring.house import Bench
from measuring.results import NoLoad
from notifier.models import Notification, State
from orders.models import OrderLine

SETTLED_S = 300
"""An intent that the load has cut off is given up after two minutes."""


def settle(running: Bench) -> None:
    """Wait until nothing of what was ordered is on its way, mails included: nobody pays for the load of another.

    Raises NoLoad.
    """
    waiting = {
        "catalog": select(func.count()).select_from(reservations).where(reservations.c.state == HELD),
        "orders": select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None)),
        "notifier": select(func.count()).where(Notification.state.in_((State.QUEUED, State.SENDING))),
    }
    end = time.monotonic() + SETTLED_S
    for schema, number in waiting.items():
        while _scalar(running.engine(schema), number):
            if time.monotonic() > end:
                raise NoLoad(f"After {SETTLED_S} s something is still on its way in {schema}.")
            time.sleep(1)


def balanced(running: Bench) -> int:
    """How many pieces were ordered, when each product has sold as many as were ordered of it. Raises NoLoad."""
    settle(running)
    ordered, sold = _ordered(running.engine("orders")), _sold(running.engine())
    wrong = sum(sold[product_id] != number for product_id, number in ordered.items())
    if wrong:
        raise NoLoad(f"The books do not balance: {wrong} products have sold another number than was ordered.")
    return sum(ordered.values())


def ordered_pieces(running: Bench) -> int:
    """How many pieces have been ordered so far."""
    return sum(_ordered(running.engine("orders")).values())


def _scalar(engine: Engine, asked: Select[int]) -> int:
    with engine.connect() as connection:
        found = connection.scalar(asked) or 0
    engine.dispose()
    return found


def _ordered(engine: Engine) -> dict[int, int]:
    line = OrderLine
    with engine.connect() as connection:
        rows = connection.execute(select(line.product_id, func.sum(line.quantity)).group_by(line.product_id))
        return {product_id: int(number) for product_id, number in rows}


def _sold(engine: Engine) -> dict[int, int]:
    with engine.connect() as connection:
        rows = connection.execute(select(products.c.id, products.c.sold))
        return dict(rows.tuples().all())
