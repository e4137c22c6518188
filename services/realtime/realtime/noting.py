"""The notes' room: where orders stand, and the log of their steps to another status.

An event tells the whole order, so an older version that comes late changes nothing any more.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select
from sqlalchemy.dialects.mysql import insert as upsert
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions
from common.events.orders import OrderCancelled, OrderEvent, OrderPlaced, OrderStatusChanged
from common.outbox import KEEP_HEARD
from common.tidying import drop_all
from realtime.models import ORDERS, CountedOrder, OrderEntry, OrderState
from realtime.news import Step
from realtime.usecases import advance, take_turn

STATE, LOG, COUNTED = (cast(Table, entity.__table__) for entity in (OrderState, OrderEntry, CountedOrder))
PLACED, CANCELLED = "pending", "cancelled"
"""The status that an event's type stands for."""
KEPT: timedelta = KEEP_HEARD


def note_orders(session: Session, events: Iterable[OrderEvent]) -> list[Step]:
    """Note how orders stand and log their steps, in the caller's transaction, which has locked the stream of counts.

    What was logged, which is true once that is committed.
    """
    told = [event for event in events if _is_told(event)]
    known = _known(session, {event.order_id for event in told})
    noted: dict[UUID, dict[str, Any]] = {}
    steps: list[dict[str, Any]] = []
    for event in told:
        version, before = known.get(event.order_id, (0, _previous(event)))
        if event.version <= version:
            continue
        status = _status(event)
        known[event.order_id] = (event.version, status)
        same = {"order_id": event.order_id, "user_id": event.user_id, "number": event.number, "status": status}
        noted[event.order_id] = {**same, "version": event.version, "at": event.at}
        if status != before:
            steps.append({**same, "previous": before, "at": event.at})
    _write_states(session, [noted[order] for order in sorted(noted)])
    return _write_steps(session, steps)


def _is_told(event: OrderEvent) -> bool:
    """What is older than anything known here may have been told and forgotten: nobody could tell it from news."""
    never_placed = isinstance(event, OrderCancelled) and not event.was_placed
    return not never_placed and event.at > now() - KEPT


def _known(session: Session, orders: set[UUID]) -> dict[UUID, tuple[int, str | None]]:
    if not orders:
        return {}
    wanted = select(STATE.c.order_id, STATE.c.version, STATE.c.status).where(STATE.c.order_id.in_(orders))
    return {order: (version, status) for order, version, status in session.execute(wanted)}


def _status(event: OrderEvent) -> str:
    if isinstance(event, OrderStatusChanged):
        return event.status
    return CANCELLED if isinstance(event, OrderCancelled) else PLACED


def _previous(event: OrderEvent) -> str | None:
    """Where the order stood as it says itself; None of one that is new."""
    return None if isinstance(event, OrderPlaced) else cast(OrderStatusChanged | OrderCancelled, event).previous


def note_standing(session: Session, generation: UUID) -> None:
    """Note how a generation's orders stand by their owner's own word, in the transaction that puts it in its place.

    Nothing is told of it: the streams begin anew with that transaction, and who listens is told everything.
    """
    names = STATE.columns.keys()
    moved = (COUNTED.c.generation == generation) & (COUNTED.c.at > now() - KEPT)
    new = upsert(STATE).from_select(names, select(*(COUNTED.c[name] for name in names)).where(moved))
    newer = new.inserted.version > STATE.c.version
    told = ("status", "at", "version")  # the last one is compared with until it is set
    session.execute(
        new.on_duplicate_key_update([(name, func.if_(newer, new.inserted[name], STATE.c[name])) for name in told])
    )


def _write_states(session: Session, states: Sequence[dict[str, Any]]) -> None:
    if states:
        new = upsert(STATE)
        told = {name: new.inserted[name] for name in ("version", "status", "at")}
        session.execute(new.on_duplicate_key_update(told), states)


def _write_steps(session: Session, steps: Sequence[dict[str, Any]]) -> list[Step]:
    if not steps:
        return []
    first = advance(session, ORDERS, len(steps)) - len(steps) + 1
    logged = [Step(seq=seq, **step) for seq, step in enumerate(steps, first)]
    moment = now()
    session.execute(insert(LOG), [step._asdict() | {"logged_at": moment} for step in logged])
    return logged


def forget_orders(sessions: Sessions) -> None:
    """Drop what was said of orders that have not moved for long."""
    drop_all(sessions, STATE, STATE.c.at < now() - KEPT, turn=take_turn)
